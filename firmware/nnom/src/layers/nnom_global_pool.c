/* SPDX-License-Identifier: Apache-2.0
 * Pooling over the whole plane. */
#include "nnom_layer.h"

static nnom_layer_t *as_global(nnom_layer_t *layer, nnom_layer_type_t type)
{
    if (layer != NULL) {
        layer->type = type;
        layer->build = global_pool_build;
    }
    return layer;
}

nnom_layer_t *GlobalMaxPool(void)
{
    return as_global(MaxPool(shape(0, 0, 0), shape(1, 1, 1), PADDING_VALID), NNOM_GLOBAL_MAXPOOL);
}

nnom_layer_t *GlobalAvgPool(void)
{
    return as_global(AvgPool(shape(0, 0, 0), shape(1, 1, 1), PADDING_VALID), NNOM_GLOBAL_AVGPOOL);
}

nnom_layer_t *GlobalSumPool(void)
{
    return as_global(SumPool(shape(0, 0, 0), shape(1, 1, 1), PADDING_VALID), NNOM_GLOBAL_SUMPOOL);
}

static nnom_layer_t *with_config(nnom_layer_t *layer, const nnom_global_pool_config_t *config)
{
    if (nnom_layer_with_config(layer, config) != NULL) {
        ((nnom_maxpool_layer_t *)layer)->output_shift = config->output_shift;
    }
    return layer;
}

nnom_layer_t *global_maxpool_s(const nnom_global_pool_config_t *config)
{
    return config == NULL ? NULL : with_config(GlobalMaxPool(), config);
}

nnom_layer_t *global_avgpool_s(const nnom_global_pool_config_t *config)
{
    return config == NULL ? NULL : with_config(GlobalAvgPool(), config);
}

nnom_layer_t *global_sumpool_s(const nnom_global_pool_config_t *config)
{
    return config == NULL ? NULL : with_config(GlobalSumPool(), config);
}

nnom_status_t global_pool_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    nnom_maxpool_layer_t *cl = (nnom_maxpool_layer_t *)layer;
    const nnom_tensor_t *t = layer->in->tensor;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(t);
    cl->kernel = shape(in.h, in.w, 1);
    /* unused, but part of NNoM's memory table */
    if (layer->type == NNOM_GLOBAL_AVGPOOL) {
        layer->comp->size = 2 * (size_t)in.c * in.c;
    } else if (layer->type == NNOM_GLOBAL_SUMPOOL) {
        layer->comp->size = 4 * (size_t)in.c;
    }
    const nnom_shape_data_t dim[1] = {in.c};
    return nnom_layer_new_output(layer, dim, 1, nnom_pooled_dec(layer));
}
