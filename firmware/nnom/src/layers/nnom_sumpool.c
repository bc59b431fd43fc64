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
    const nnom_pool_t p = nnom_pool_of(layer);
    if (p.wide) {
        NNOM_POOL(sum, q15)(NNOM_POOL_VALUES(p, q15_t), (uint16_t)p.layer->output_shift, NULL,
                            (q15_t *)p.dst);
    } else {
        NNOM_POOL(sum, q7)(NNOM_POOL_VALUES(p, q7_t), NULL, (q7_t *)p.dst);
    }
    return NN_SUCCESS;
}
