/* SPDX-License-Identifier: Apache-2.0
 * Softmax layer. */
#include "nnom_layer.h"

nnom_layer_t *Softmax(void)
{
    return nnom_layer_new(sizeof(nnom_layer_t), NNOM_SOFTMAX, NNOM_TENSOR_BUF_TEMP, false,
                          softmax_run, softmax_build);
}

nnom_layer_t *SoftmaxBaseTwo(void)
{
    nnom_layer_t *layer = Softmax();
    if (layer != NULL) {
        layer->run = softmax_base_two_run;
    }
    return layer;
}

nnom_layer_t *softmax_s(const nnom_softmax_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(
        config->base == NNOM_SOFTMAX_BASE_TWO ? SoftmaxBaseTwo() : Softmax(), config);
}

nnom_status_t softmax_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    nnom_tensor_t *in = layer->in->tensor;
    if (nnom_layer_is_wide(layer) && tensor_size(in) > UINT16_MAX) {
        return NN_SIZE_MISMATCH;
    }
    return nnom_layer_new_output(layer, in->dim, in->num_dim,
                                 nnom_layer_is_wide(layer) ? 15 : 7);
}

nnom_status_t softmax_base_two_run(nnom_layer_t *layer)
{
    const void *src = layer->in->tensor->p_data;
    void *dst = layer->out->tensor->p_data;
    const size_t size = tensor_size(layer->out->tensor);
    if (nnom_layer_is_wide(layer)) {
        nnom_softmax_base_two_s16((const q15_t *)src, (uint32_t)size, (q15_t *)dst);
    } else {
        nnom_softmax_base_two_s8((const q7_t *)src, (uint32_t)size, (q7_t *)dst);
    }
    return NN_SUCCESS;
}

nnom_status_t softmax_run(nnom_layer_t *layer)
{
#if NNOM_COMPAT_043
    return softmax_base_two_run(layer);
#else
    if (!layer->in->hook.io->owner->knows_dec) {
        return softmax_base_two_run(layer); /* the order of classes is all that can be told */
    }
    const void *src = layer->in->tensor->p_data;
    void *dst = layer->out->tensor->p_data;
    const uint32_t size = (uint32_t)tensor_size(layer->out->tensor);
    const int32_t dec = layer->in->tensor->q_dec[0];
    if (nnom_layer_is_wide(layer)) {
        nnom_softmax_s16((const q15_t *)src, size, dec, (q15_t *)dst);
    } else {
        nnom_softmax_s8((const q7_t *)src, size, dec, (q7_t *)dst);
    }
    return NN_SUCCESS;
#endif
}
