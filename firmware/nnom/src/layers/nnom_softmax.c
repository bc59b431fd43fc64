/* SPDX-License-Identifier: Apache-2.0
 * Softmax layer. */
#include "nnom.h"

nnom_layer_t *Softmax(void)
{
    return nnom_layer_new(sizeof(nnom_layer_t), NNOM_SOFTMAX, NNOM_TENSOR_BUF_TEMP, false,
                          softmax_run, softmax_build);
}

nnom_layer_t *softmax_s(const nnom_softmax_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(Softmax(), config);
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

nnom_status_t softmax_run(nnom_layer_t *layer)
{
    const void *src = layer->in->tensor->p_data;
    void *dst = layer->out->tensor->p_data;
    const size_t size = tensor_size(layer->out->tensor);
    if (nnom_layer_is_wide(layer)) {
        local_softmax_q15((const q15_t *)src, (uint16_t)size, (q15_t *)dst);
    } else {
        local_softmax_q7((const q7_t *)src, (uint32_t)size, (q7_t *)dst);
    }
    return NN_SUCCESS;
}
