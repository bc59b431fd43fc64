/* SPDX-License-Identifier: Apache-2.0
 * Average pooling layer. */
#include "nnom.h"

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
    const nnom_avgpool_layer_t *cl = (const nnom_avgpool_layer_t *)layer;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const nnom_tensor_t *out = layer->out->tensor;
    const uint16_t ow = out->num_dim == 3 ? out->dim[1] : 1;
    const uint16_t oh = out->num_dim == 3 ? out->dim[0] : 1;
    local_avepool_q7_HWC((const q7_t *)layer->in->tensor->p_data, in.w, in.h, in.c, cl->kernel.w,
                         cl->kernel.h, cl->pad.w, cl->pad.h, cl->stride.w, cl->stride.h, ow, oh,
                         (uint16_t)cl->output_shift, NULL, (q7_t *)out->p_data);
    return NN_SUCCESS;
}
