/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution layer. */
#include "nnom.h"

static nnom_layer_t *as_depthwise(nnom_layer_t *layer)
{
    if (layer != NULL) {
        layer->type = NNOM_DW_CONV_2D;
        layer->run = dw_conv2d_run;
        layer->build = dw_conv2d_build;
    }
    return layer;
}

nnom_layer_t *dw_conv2d_s(const nnom_conv2d_config_t *config)
{
    return as_depthwise(conv2d_s(config));
}

nnom_layer_t *DW_Conv2D(uint32_t multiplier, nnom_3d_shape_t k, nnom_3d_shape_t s,
                        nnom_3d_shape_t d, nnom_padding_t pad, const nnom_weight_t *w,
                        const nnom_bias_t *b)
{
    return as_depthwise(Conv2D(multiplier, k, s, d, pad, w, b));
}

nnom_status_t dw_conv2d_build(nnom_layer_t *layer)
{
    const nnom_conv2d_layer_t *cl = (const nnom_conv2d_layer_t *)layer;
    nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const uint32_t channels_in = nnom_tensor_shape3d(layer->in->tensor).c;
    status = nnom_conv_geometry(layer, channels_in * cl->filter_mult);
    if (status == NN_SUCCESS) {
        layer->stat.macc = tensor_size(layer->out->tensor) * cl->kernel.h * cl->kernel.w;
    }
    return status;
}

nnom_status_t dw_conv2d_run(nnom_layer_t *layer)
{
    const nnom_conv2d_layer_t *cl = (const nnom_conv2d_layer_t *)layer;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const nnom_3d_shape_t out = nnom_tensor_shape3d(layer->out->tensor);
    local_depthwise_separable_conv_HWC_q7_nonsquare(
        (const q7_t *)layer->in->tensor->p_data, in.w, in.h, in.c, (const q7_t *)cl->weight->p_data,
        out.c, cl->kernel.w, cl->kernel.h, cl->pad.w, cl->pad.h, cl->stride.w, cl->stride.h,
        cl->dilation.w, cl->dilation.h, cl->bias == NULL ? NULL : (const q7_t *)cl->bias->p_data,
        cl->bias_lshift, cl->output_rshift, cl->weight->qtype, (q7_t *)layer->out->tensor->p_data,
        out.w, out.h, NULL, NULL);
    return NN_SUCCESS;
}
