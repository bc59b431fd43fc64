/* SPDX-License-Identifier: Apache-2.0
 * Max pooling layer. */
#include "nnom.h"

nnom_layer_t *MaxPool(nnom_3d_shape_t k, nnom_3d_shape_t s, nnom_padding_t pad)
{
    /* the scratch buffer stays empty, but NNoM's block numbering counts it */
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_maxpool_layer_t), NNOM_MAXPOOL,
                                         NNOM_TENSOR_BUF_TEMP, true, maxpool_run, maxpool_build);
    if (layer != NULL) {
        nnom_maxpool_layer_t *cl = (nnom_maxpool_layer_t *)layer;
        cl->kernel = k;
        cl->stride = s;
        cl->padding_type = pad;
    }
    return layer;
}

static nnom_3d_shape_t size_pair(const int8_t *size, bool is_1d)
{
    const nnom_shape_data_t a = (nnom_shape_data_t)(size[0] > 0 ? size[0] : 0);
    const nnom_shape_data_t b = (nnom_shape_data_t)(!is_1d && size[1] > 0 ? size[1] : 0);
    return is_1d ? shape(1, a, 1) : shape(a, b, 1);
}

nnom_layer_t *maxpool_s(const nnom_pool_config_t *config)
{
    const bool is_1d = config->num_dim == 1;
    nnom_layer_t *layer = MaxPool(size_pair(config->kernel_size, is_1d),
                                  size_pair(config->stride_size, is_1d), config->padding_type);
    if (layer != NULL) {
        layer->config = (nnom_layer_config_t *)(uintptr_t)config;
    }
    return layer;
}

nnom_status_t maxpool_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    nnom_maxpool_layer_t *cl = (nnom_maxpool_layer_t *)layer;
    const nnom_tensor_t *t = layer->in->tensor;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(t);
    if (shape_size(&cl->kernel) == 0 || cl->stride.h == 0 || cl->stride.w == 0) {
        return NN_ARGUMENT_ERROR;
    }
    const uint32_t oh = conv_output_length(in.h, cl->kernel.h, cl->padding_type, cl->stride.h, 1);
    const uint32_t ow = conv_output_length(in.w, cl->kernel.w, cl->padding_type, cl->stride.w, 1);
    if (oh == 0 || ow == 0) {
        return NN_ARGUMENT_ERROR;
    }
    if (cl->padding_type == PADDING_SAME) {
        cl->pad.h = nnom_pad_before(in.h, oh, cl->kernel.h, cl->stride.h, 1);
        cl->pad.w = nnom_pad_before(in.w, ow, cl->kernel.w, cl->stride.w, 1);
    }
    const nnom_shape_data_t dim[3] = {(nnom_shape_data_t)oh, (nnom_shape_data_t)ow, in.c};
    return nnom_layer_new_output(layer, dim, 3, t->q_dec[0]);
}

nnom_status_t maxpool_run(nnom_layer_t *layer)
{
    const nnom_maxpool_layer_t *cl = (const nnom_maxpool_layer_t *)layer;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const nnom_tensor_t *out = layer->out->tensor;
    const uint16_t ow = out->num_dim == 3 ? out->dim[1] : 1;
    const uint16_t oh = out->num_dim == 3 ? out->dim[0] : 1;
    local_maxpool_q7_HWC((const q7_t *)layer->in->tensor->p_data, in.w, in.h, in.c, cl->kernel.w,
                         cl->kernel.h, cl->pad.w, cl->pad.h, cl->stride.w, cl->stride.h, ow, oh,
                         NULL, (q7_t *)out->p_data);
    return NN_SUCCESS;
}
