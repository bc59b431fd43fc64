/* SPDX-License-Identifier: Apache-2.0
 * Average pooling layer. */
#include "nnom_layer.h"

static nnom_layer_t *as_average(nnom_layer_t *layer)
{
    if (layer != NULL) {
        layer->type = NNOM_AVGPOOL;
        layer->run = avgpool_run;
        layer->build = avgpool_build;
    }
    return layer;
}

nnom_layer_t *AvgPool(nnom_3d_shape_t k, nnom_3d_shape_t s, nnom_padding_t pad)
{
    return as_average(MaxPool(k, s, pad));
}

nnom_layer_t *avgpool_s(const nnom_pool_config_t *config)
{
    nnom_layer_t *layer = as_average(maxpool_s(config));
    if (layer != NULL) {
        ((nnom_avgpool_layer_t *)layer)->output_shift = config->output_shift;
    }
    return layer;
}

nnom_status_t avgpool_build(nnom_layer_t *layer)
{
    return maxpool_build(layer);
}

nnom_status_t avgpool_run(nnom_layer_t *layer)
{
    const nnom_window_t w = nnom_pool_window(layer);
    const uint16_t shift = (uint16_t)((const nnom_avgpool_layer_t *)layer)->output_shift;
    const void *in = layer->in->tensor->p_data;
    void *out = layer->out->tensor->p_data;
    if (nnom_layer_is_wide(layer)) {
        NNOM_LAYOUT(avgpool, s16)(&w, shift, (const q15_t *)in, (q15_t *)out);
    } else {
        NNOM_LAYOUT(avgpool, s8)(&w, shift, (const q7_t *)in, (q7_t *)out);
    }
    return NN_SUCCESS;
}
