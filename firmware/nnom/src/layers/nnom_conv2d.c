/* SPDX-License-Identifier: Apache-2.0
 * Convolution layer, and what the depthwise convolution shares with it. */
#include "nnom_layer.h"

uint32_t conv_output_length(uint32_t input_length, uint32_t filter_size, nnom_padding_t padding,
                            uint32_t stride, uint32_t dilation)
{
    const uint32_t reach = (filter_size - 1) * dilation + 1;
    if (input_length == 0 || stride == 0) {
        return 0;
    }
    if (padding == PADDING_SAME) {
        return NN_CEILIF(input_length, stride);
    }
    return input_length < reach ? 0 : NN_CEILIF(input_length - reach + 1, stride);
}

nnom_layer_t *conv2d_s(const nnom_conv2d_config_t *config)
{
    nnom_layer_t *layer = config == NULL
                              ? NULL
                              : nnom_layer_new(sizeof(nnom_conv2d_layer_t), NNOM_CONV_2D,
                                               NNOM_TENSOR_BUF_TEMP, false, conv2d_run, conv2d_build);
    if (layer == NULL) {
        return NULL;
    }
    nnom_conv2d_layer_t *cl = (nnom_conv2d_layer_t *)layer;
    const bool is_1d = config->weight != NULL && config->weight->num_dim == 3;
    nnom_layer_with_config(layer, config);
    cl->kernel = nnom_size_pair(config->kernel_size, is_1d);
    cl->stride = nnom_size_pair(config->stride_size, is_1d);
    cl->dilation = nnom_size_pair(config->dilation_size, is_1d);
    cl->padding_type = config->padding_type;
    cl->pad_value = config->pad_value;
    cl->filter_mult = config->filter_size;
    cl->weight = config->weight;
    cl->bias = config->bias;
    cl->output_rshift = config->output_shift;
    cl->bias_lshift = config->bias_shift;
    return layer;
}

nnom_layer_t *Conv2D(uint32_t filters, nnom_3d_shape_t k, nnom_3d_shape_t s, nnom_3d_shape_t d,
                     nnom_padding_t pad, const nnom_weight_t *w, const nnom_bias_t *b)
{
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_conv2d_layer_t), NNOM_CONV_2D,
                                         NNOM_TENSOR_BUF_TEMP, false, conv2d_run, conv2d_build);
    if (layer == NULL || w == NULL || b == NULL) {
        nnom_free(layer);
        return NULL;
    }
    const nnom_shape_data_t weight_dim[4] = {k.h, k.w, k.c, (nnom_shape_data_t)filters};
    const nnom_shape_data_t bias_dim[1] = {(nnom_shape_data_t)filters};
    nnom_conv2d_layer_t *cl = (nnom_conv2d_layer_t *)layer;
    layer->free = conv2d_free;
    cl->kernel = k;
    cl->stride = s;
    cl->dilation = d;
    cl->padding_type = pad;
    cl->filter_mult = filters;
    cl->weight = nnom_tensor_over(w->p_value, weight_dim, 4);
    cl->bias = nnom_tensor_over(b->p_value, bias_dim, 1);
    cl->output_rshift = (nnom_qformat_param_t *)(uintptr_t)&w->shift;
    cl->bias_lshift = (nnom_qformat_param_t *)(uintptr_t)&b->shift;
    if (cl->weight == NULL || cl->bias == NULL) {
        conv2d_free(layer);
        nnom_free(layer);
        return NULL;
    }
    return layer;
}

nnom_status_t conv2d_free(nnom_layer_t *layer)
{
    nnom_conv2d_layer_t *cl = (nnom_conv2d_layer_t *)layer;
    if (layer->config == NULL) { /* made by the layer API, which owns its tensors */
        delete_tensor(cl->weight);
        delete_tensor(cl->bias);
    }
    return NN_SUCCESS;
}

nnom_status_t nnom_conv_check(const nnom_layer_t *layer, uint32_t channels_out, size_t window)
{
    const nnom_conv2d_layer_t *cl = (const nnom_conv2d_layer_t *)layer;
    const bool has_bias = cl->bias != NULL && cl->bias->p_data != NULL;
    if (cl->weight == NULL || cl->weight->p_data == NULL || window == 0 || cl->stride.h == 0 ||
        cl->stride.w == 0 || cl->dilation.h == 0 || cl->dilation.w == 0 || channels_out == 0 ||
        channels_out > UINT16_MAX) {
        return NN_ARGUMENT_ERROR;
    }
    /* what a configuration declares must suffice; the layer API declares no weight shapes */
    if (layer->config != NULL && (cl->weight->q_dec == NULL ||
                                  window > NNOM_SIZE_LIMIT / channels_out ||
                                  !nnom_tensor_holds(cl->weight, window * channels_out) ||
                                  (has_bias && !nnom_tensor_holds(cl->bias, channels_out)))) {
        return NN_SIZE_MISMATCH;
    }
    const size_t shifts = cl->weight->qtype == NNOM_QTYPE_PER_AXIS ? channels_out : 1;
    nnom_status_t status = nnom_check_shifts(cl->output_rshift, shifts);
    if (status == NN_SUCCESS && has_bias) {
        status = nnom_check_shifts(cl->bias_lshift, shifts);
    }
    return status;
}

nnom_status_t nnom_conv_new_output(nnom_layer_t *layer, uint32_t h, uint32_t w, uint32_t channels)
{
    const nnom_conv2d_layer_t *cl = (const nnom_conv2d_layer_t *)layer;
    if (h == 0 || w == 0 || h > UINT16_MAX || w > UINT16_MAX) {
        return NN_ARGUMENT_ERROR;
    }
    const nnom_shape_data_t dim[3] = {(nnom_shape_data_t)h, (nnom_shape_data_t)w,
                                      (nnom_shape_data_t)channels};
    const int32_t weight_dec = cl->weight->q_dec != NULL ? cl->weight->q_dec[0] : 0;
    return nnom_layer_new_output(layer, dim, 3,
                                 nnom_sum_decs(layer->in->tensor->q_dec[0], weight_dec,
                                               cl->output_rshift[0]));
}

nnom_status_t nnom_conv_build(nnom_layer_t *layer, uint32_t channels_out, uint32_t channels_per_filter)
{
    nnom_conv2d_layer_t *cl = (nnom_conv2d_layer_t *)layer;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const size_t window = shape_size(&cl->kernel) * channels_per_filter;
    nnom_status_t status = nnom_conv_check(layer, channels_out, window);
    if (status != NN_SUCCESS) {
        return status;
    }
    const uint32_t oh =
        conv_output_length(in.h, cl->kernel.h, cl->padding_type, cl->stride.h, cl->dilation.h);
    const uint32_t ow =
        conv_output_length(in.w, cl->kernel.w, cl->padding_type, cl->stride.w, cl->dilation.w);
    status = nnom_conv_new_output(layer, oh, ow, channels_out);
    if (status != NN_SUCCESS) {
        return status;
    }
    if (cl->pad_value != 0 && !nnom_layer_is_hwc_s8(layer)) {
        return NN_ARGUMENT_ERROR;
    }
    if (cl->padding_type == PADDING_SAME) {
        cl->pad.h = nnom_pad_before(in.h, oh, cl->kernel.h, cl->stride.h, cl->dilation.h);
        cl->pad.w = nnom_pad_before(in.w, ow, cl->kernel.w, cl->stride.w, cl->dilation.w);
    }
    layer->stat.macc = tensor_size(layer->out->tensor) * window;
    nnom_layer_fuse_relu(layer);
    return NN_SUCCESS;
}

nnom_conv_t nnom_conv_parameters(const nnom_layer_t *layer)
{
    const nnom_conv2d_layer_t *cl = (const nnom_conv2d_layer_t *)layer;
    const nnom_conv_t p = {
        .window = nnom_layer_window(layer, &cl->kernel, &cl->stride, &cl->pad, &cl->dilation),
        .scale = {cl->bias == NULL ? NULL : (const q7_t *)cl->bias->p_data, cl->bias_lshift,
                  cl->output_rshift, cl->weight->qtype == NNOM_QTYPE_PER_AXIS, layer->fuses_relu},
        .weights = (const q7_t *)cl->weight->p_data,
        .scratch = nnom_scratch(layer),
        .filters = nnom_tensor_shape3d(layer->out->tensor).c,
        .pad_value = cl->pad_value,
    };
    return p;
}

nnom_status_t conv2d_build(nnom_layer_t *layer)
{
    nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const uint32_t channels = nnom_tensor_shape3d(layer->in->tensor).c;
    status = nnom_conv_build(layer, ((const nnom_conv2d_layer_t *)layer)->filter_mult, channels);
    if (status == NN_SUCCESS && nnom_layer_is_hwc_s8(layer)) {
        const nnom_conv_t p = nnom_conv_parameters(layer);
        nnom_ask_scratch(layer, nnom_conv_s8_scratch(&p));
    }
    return status;
}

nnom_status_t nnom_conv_run(nnom_layer_t *layer, nnom_conv_narrow_t *narrow, nnom_conv_wide_t *wide)
{
    const nnom_conv_t p = nnom_conv_parameters(layer);
    const void *in = layer->in->tensor->p_data;
    void *out = layer->out->tensor->p_data;
    if (nnom_layer_is_wide(layer)) {
        wide(&p, (const q15_t *)in, (q15_t *)out);
    } else {
        narrow(&p, (const q7_t *)in, (q7_t *)out);
    }
    return NN_SUCCESS;
}

nnom_status_t conv2d_run(nnom_layer_t *layer)
{
    return nnom_conv_run(layer, NNOM_LAYOUT(conv, s8), NNOM_LAYOUT(conv, s16));
}
