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
    nnom_layer_t *layer = Softmax();
    if (layer != NULL) {
        layer->config = (nnom_layer_config_t *)(uintptr_t)config;
    }
    return layer;
}

nnom_status_t softmax_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    return nnom_layer_new_output(layer, layer->in->tensor->dim, layer->in->tensor->num_dim, 7);
}

nnom_status_t softmax_run(nnom_layer_t *layer)
{
    local_softmax_q7((const q7_t *)layer->in->tensor->p_data,
                     (uint32_t)tensor_size(layer->out->tensor),
                     (q7_t *)layer->out->tensor->p_data);
    return NN_SUCCESS;
}
