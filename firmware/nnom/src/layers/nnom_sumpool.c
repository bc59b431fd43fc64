/* SPDX-License-Identifier: Apache-2.0
 * Sum pooling layer. */
#include "nnom_layer.h"

static nnom_layer_t *as_sum(nnom_layer_t *layer)
{
    if (layer != NULL) {
        layer->type = NNOM_SUMPOOL;
        layer->run = sumpool_run;
        layer->build = sumpool_build;
    }
    return layer;
}

nnom_layer_t *SumPool(nnom_3d_shape_t k, nnom_3d_shape_t s, nnom_padding_t pad)
{
    return as_sum(MaxPool(k, s, pad));
}

nnom_layer_t *sumpool_s(const nnom_pool_config_t *config)
{
    nnom_layer_t *layer = as_sum(maxpool_s(config));
    if (layer != NULL) {
        ((nnom_sumpool_layer_t *)layer)->output_shift = config->output_shift;
    }
    return layer;
}

nnom_status_t sumpool_build(nnom_layer_t *layer)
{
    const nnom_status_t status = maxpool_build(layer);
    if (status == NN_SUCCESS) {
        /* unused, but part of NNoM's memory table */
        layer->comp->size = 4 * tensor_size(layer->out->tensor);
    }
    return status;
}

nnom_status_t sumpool_run(nnom_layer_t *layer)
{
    const nnom_window_t w = nnom_pool_window(layer);
    const uint16_t shift = (uint16_t)((const nnom_sumpool_layer_t *)layer)->output_shift;
    const void *in = layer->in->tensor->p_data;
    void *out = layer->out->tensor->p_data;
    if (nnom_layer_is_wide(layer)) {
        NNOM_LAYOUT(sumpool, s16)(&w, shift, (const q15_t *)in, (q15_t *)out);
    } else {
        NNOM_LAYOUT(sumpool, s8)(&w, (const q7_t *)in, (q7_t *)out);
    }
    return NN_SUCCESS;
}
