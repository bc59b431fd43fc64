/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution layer. */
#include "nnom_layer.h"

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
    nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const uint32_t channels = nnom_tensor_shape3d(layer->in->tensor).c;
    const uint32_t multiplier = ((const nnom_conv2d_layer_t *)layer)->filter_mult;
    if (multiplier > UINT16_MAX) {
        return NN_ARGUMENT_ERROR;
    }
    status = nnom_conv_build(layer, channels * multiplier, 1);
    if (status == NN_SUCCESS && nnom_layer_is_hwc_s8(layer)) {
        const nnom_conv_t p = nnom_conv_parameters(layer);
        nnom_ask_scratch(layer, nnom_depthwise_s8_scratch(&p));
    }
    return status;
}

nnom_status_t dw_conv2d_run(nnom_layer_t *layer)
{
    return nnom_conv_run(layer, NNOM_LAYOUT(depthwise, s8), NNOM_LAYOUT(depthwise, s16));
}
