/* SPDX-License-Identifier: Apache-2.0
 * Reshape layer. */
#include "nnom_layer.h"

#define MAX_DIMS 8

nnom_layer_t *reshape_s(const nnom_reshape_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    nnom_layer_t *layer =
        nnom_layer_with_config(nnom_layer_new(sizeof(nnom_reshape_layer_t), NNOM_RESHAPE,
                                              NNOM_RESHAPED_BUF, false, reshape_run, reshape_build),
                               config);
    if (layer != NULL) {
        nnom_reshape_layer_t *cl = (nnom_reshape_layer_t *)layer;
        cl->dim = config->dim;
        cl->num_dim = config->num_dim;
    }
    return layer;
}

nnom_status_t reshape_build(nnom_layer_t *layer)
{
    const nnom_reshape_layer_t *cl = (const nnom_reshape_layer_t *)layer;
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    if (cl->dim == NULL || cl->num_dim == 0 || cl->num_dim > MAX_DIMS) {
        return NN_ARGUMENT_ERROR;
    }
    uint64_t size = 1; /* below 2^32 times 2^16 */
    for (uint32_t i = 0; i < cl->num_dim && size <= UINT32_MAX; i++) {
        size *= cl->dim[i];
    }
    if (size != tensor_size(layer->in->tensor)) {
        return NN_SIZE_MISMATCH;
    }
    return nnom_layer_new_output(layer, cl->dim, cl->num_dim, layer->in->tensor->q_dec[0]);
}

nnom_status_t nnom_reshape_copy(nnom_layer_t *layer)
{
#ifdef NNOM_USING_CHW
    const nnom_tensor_t *in = layer->in->tensor, *out = layer->out->tensor;
    const size_t width = in->bitwidth / 8u;
    for (size_t i = 0; i < tensor_size(layer->out->tensor); i++) {
        nnom_memcpy((uint8_t *)out->p_data + width * nnom_tensor_stored_index(out, i),
                    (const uint8_t *)in->p_data + width * nnom_tensor_stored_index(in, i), width);
    }
    return NN_SUCCESS;
#else
    return default_run(layer);
#endif
}

nnom_status_t reshape_run(nnom_layer_t *layer)
{
    return nnom_reshape_copy(layer);
}
