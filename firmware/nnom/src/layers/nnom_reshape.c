/* SPDX-License-Identifier: Apache-2.0
 * Reshape layer. */
#include "nnom.h"

nnom_layer_t *reshape_s(const nnom_reshape_config_t *config)
{
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_reshape_layer_t), NNOM_RESHAPE,
                                         NNOM_TENSOR_BUF_NULL, false, reshape_run, reshape_build);
    if (layer != NULL) {
        nnom_reshape_layer_t *cl = (nnom_reshape_layer_t *)layer;
        layer->config = (nnom_layer_config_t *)(uintptr_t)config;
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
    size_t size = 1;
    for (uint32_t i = 0; i < cl->num_dim; i++) {
        size *= cl->dim[i];
    }
    if (cl->num_dim == 0 || size != tensor_size(layer->in->tensor)) {
        return NN_SIZE_MISMATCH;
    }
    return nnom_layer_new_output(layer, cl->dim, cl->num_dim, layer->in->tensor->q_dec[0]);
}

nnom_status_t reshape_run(nnom_layer_t *layer)
{
    return default_run(layer);
}
