/* SPDX-License-Identifier: Apache-2.0
 * Convolution layer, and what the depthwise convolution shares with it. */
#include "nnom.h"

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

static nnom_shape_data_t size_of(const int8_t *size, int i)
{
    return (nnom_shape_data_t)(size[i] > 0 ? size[i] : 0);
}

/* 1-D convolutions run as 2-D ones of height one. */
static nnom_3d_shape_t size_pair(const int8_t *size, bool is_1d)
{
    return is_1d ? shape(1, size_of(size, 0), 1) : shape(size_of(size, 0), size_of(size, 1), 1);
}

nnom_layer_t *conv2d_s(const nnom_conv2d_config_t *config)
{
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_conv2d_layer_t), NNOM_CONV_2D,
                                         NNOM_TENSOR_BUF_TEMP, false, conv2d_run, conv2d_build);
    if (layer == NULL) {
        return NULL;
    }
    nnom_conv2d_layer_t *cl = (nnom_conv2d_layer_t *)layer;
    const bool is_1d = config->weight != NULL && config->weight->num_dim == 3;
    layer->config = (nnom_layer_config_t *)(uintptr_t)config;
    cl->kernel = size_pair(config->kernel_size, is_1d);
    cl->stride = size_pair(config->stride_size, is_1d);
    cl->dilation = size_pair(config->dilation_size, is_1d);
    cl->padding_type = config->padding_type;
    cl->filter_mult = config->filter_size;
    cl->weight = config->weight;
    cl->bias = config->bias;
    cl->output_rshift = config->output_shift;
    cl->bias_lshift = config->bias_shift;
    return layer;
}

/* A tensor over the user's constant data. */
static nnom_tensor_t *wrap(const void *data, const nnom_shape_data_t *dim, uint32_t num_dim)
{
    nnom_tensor_t *t = new_tensor(NNOM_QTYPE_PER_TENSOR, num_dim, dim[num_dim - 1]);
    if (t != NULL) {
        nnom_memcpy(t->dim, dim, num_dim * sizeof(nnom_shape_data_t));
        t->bitwidth = 8;
        t->p_data = (void *)(uintptr_t)data;
    }
    return t;
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
    cl->weight = wrap(w->p_value, weight_dim, 4);
    cl->bias = wrap(b->p_value, bias_dim, 1);
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

nnom_status_t nnom_conv_geometry(nnom_layer_t *layer, uint32_t channels_out)
{
    nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    nnom_conv2d_layer_t *cl = (nnom_conv2d_layer_t *)layer;
    const nnom_tensor_t *t = layer->in->tensor;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(t);
    if (cl->weight == NULL || cl->weight->p_data == NULL || shape_size(&cl->kernel) == 0 ||
        cl->stride.h == 0 || cl->stride.w == 0 || cl->dilation.h == 0 || cl->dilation.w == 0) {
        return NN_ARGUMENT_ERROR;
    }
    const uint32_t oh =
        conv_output_length(in.h, cl->kernel.h, cl->padding_type, cl->stride.h, cl->dilation.h);
    const uint32_t ow =
        conv_output_length(in.w, cl->kernel.w, cl->padding_type, cl->stride.w, cl->dilation.w);
    if (oh == 0 || ow == 0 || channels_out == 0 || channels_out > UINT16_MAX) {
        return NN_ARGUMENT_ERROR;
    }
    const size_t shifts = cl->weight->qtype == NNOM_QTYPE_PER_AXIS ? channels_out : 1;
    status = nnom_check_shifts(cl->output_rshift, shifts);
    if (status == NN_SUCCESS && cl->bias != NULL && cl->bias->p_data != NULL) {
        status = nnom_check_shifts(cl->bias_lshift, shifts);
    }
    if (status != NN_SUCCESS) {
        return status;
    }
    if (cl->padding_type == PADDING_SAME) {
        cl->pad.h = nnom_pad_before(in.h, oh, cl->kernel.h, cl->stride.h, cl->dilation.h);
        cl->pad.w = nnom_pad_before(in.w, ow, cl->kernel.w, cl->stride.w, cl->dilation.w);
    }
    const nnom_shape_data_t dim[3] = {(nnom_shape_data_t)oh, (nnom_shape_data_t)ow,
                                      (nnom_shape_data_t)channels_out};
    const int32_t weight_dec = cl->weight->q_dec != NULL ? cl->weight->q_dec[0] : 0;
    return nnom_layer_new_output(layer, dim, 3, t->q_dec[0] + weight_dec - cl->output_rshift[0]);
}

nnom_status_t conv2d_build(nnom_layer_t *layer)
{
    nnom_conv2d_layer_t *cl = (nnom_conv2d_layer_t *)layer;
    const nnom_status_t status = nnom_conv_geometry(layer, cl->filter_mult);
    if (status == NN_SUCCESS) {
        const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
        layer->stat.macc =
            tensor_size(layer->out->tensor) * cl->kernel.h * cl->kernel.w * in.c;
    }
    return status;
}

nnom_status_t conv2d_run(nnom_layer_t *layer)
{
    const nnom_conv2d_layer_t *cl = (const nnom_conv2d_layer_t *)layer;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const nnom_3d_shape_t out = nnom_tensor_shape3d(layer->out->tensor);
    local_convolve_HWC_q7_nonsquare(
        (const q7_t *)layer->in->tensor->p_data, in.w, in.h, in.c, (const q7_t *)cl->weight->p_data,
        out.c, cl->kernel.w, cl->kernel.h, cl->pad.w, cl->pad.h, cl->stride.w, cl->stride.h,
        cl->dilation.w, cl->dilation.h, cl->bias == NULL ? NULL : (const q7_t *)cl->bias->p_data,
        cl->bias_lshift, cl->output_rshift, cl->weight->qtype, (q7_t *)layer->out->tensor->p_data,
        out.w, out.h, NULL, NULL);
    return NN_SUCCESS;
}
