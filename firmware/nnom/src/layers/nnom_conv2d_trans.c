/* SPDX-License-Identifier: Apache-2.0
 * Transposed convolution layer. */
#include "nnom_layer.h"

static nnom_layer_t *as_transposed(nnom_layer_t *layer)
{
    if (layer != NULL) {
        layer->type = NNOM_CONV2D_TRANS;
        layer->run = conv2d_trans_run;
        layer->build = conv2d_trans_build;
    }
    return layer;
}

nnom_layer_t *conv2d_trans_s(const nnom_conv2d_trans_config_t *config)
{
    return as_transposed(conv2d_s(config));
}

nnom_layer_t *Conv2DTrans(uint32_t filters, nnom_3d_shape_t k, nnom_3d_shape_t s,
                          nnom_3d_shape_t d, nnom_padding_t pad, const nnom_weight_t *w,
                          const nnom_bias_t *b)
{
    return as_transposed(Conv2D(filters, k, s, d, pad, w, b));
}

/* what the kernel reaches beyond one stride: Keras' total padding */
static uint32_t overlap(uint32_t filter_size, uint32_t stride, uint32_t dilation)
{
    const uint32_t reach = (filter_size - 1) * dilation + 1;
    return reach > stride ? reach - stride : 0;
}

uint32_t conv_trans_output_length(uint32_t input_length, uint32_t filter_size,
                                  nnom_padding_t padding, uint32_t stride, uint32_t dilation)
{
    if (input_length == 0 || filter_size == 0) {
        return 0;
    }
    return input_length * stride +
           (padding == PADDING_SAME ? 0 : overlap(filter_size, stride, dilation));
}

nnom_status_t conv2d_trans_build(nnom_layer_t *layer)
{
    nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    nnom_conv2d_layer_t *cl = (nnom_conv2d_layer_t *)layer;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const size_t window = shape_size(&cl->kernel) * in.c;
    if (cl->pad_value != 0) { /* there is no padding here: SAME cuts the rim */
        return NN_ARGUMENT_ERROR;
    }
    status = nnom_conv_check(layer, cl->filter_mult, window);
    if (status != NN_SUCCESS) {
        return status;
    }
    status = nnom_conv_new_output(
        layer,
        conv_trans_output_length(in.h, cl->kernel.h, cl->padding_type, cl->stride.h, cl->dilation.h),
        conv_trans_output_length(in.w, cl->kernel.w, cl->padding_type, cl->stride.w, cl->dilation.w),
        cl->filter_mult);
    if (status != NN_SUCCESS) {
        return status;
    }
    if (cl->padding_type == PADDING_SAME) {
        cl->pad.h = (nnom_shape_data_t)(overlap(cl->kernel.h, cl->stride.h, cl->dilation.h) / 2);
        cl->pad.w = (nnom_shape_data_t)(overlap(cl->kernel.w, cl->stride.w, cl->dilation.w) / 2);
    }
    layer->stat.macc = tensor_size(layer->out->tensor) * window;
    nnom_layer_fuse_relu(layer);
    return NN_SUCCESS;
}

nnom_status_t conv2d_trans_run(nnom_layer_t *layer)
{
    return nnom_conv_run(layer, NNOM_LAYOUT(conv_trans, s8), NNOM_LAYOUT(conv_trans, s16));
}
