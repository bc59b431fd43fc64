/* SPDX-License-Identifier: Apache-2.0
 * Max pooling layer. */
#include "nnom_layer.h"

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

nnom_layer_t *maxpool_s(const nnom_pool_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    const bool is_1d = config->num_dim == 1;
    return nnom_layer_with_config(MaxPool(nnom_size_pair(config->kernel_size, is_1d),
                                          nnom_size_pair(config->stride_size, is_1d),
                                          config->padding_type),
                                  config);
}

int32_t nnom_pooled_dec(const nnom_layer_t *layer)
{
    const int32_t dec = layer->in->tensor->q_dec[0];
#if !NNOM_COMPAT_043
    if (layer->type == NNOM_AVGPOOL || layer->type == NNOM_GLOBAL_AVGPOOL) {
        /* so many bits does the average gain by being divided by fewer cells */
        return nnom_sum_decs(dec, ((const nnom_maxpool_layer_t *)layer)->output_shift, 0);
    }
#endif
    return dec;
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
    return nnom_layer_new_output(layer, dim, 3, nnom_pooled_dec(layer));
}

nnom_window_t nnom_pool_window(const nnom_layer_t *layer)
{
    const nnom_maxpool_layer_t *cl = (const nnom_maxpool_layer_t *)layer;
    return nnom_layer_window(layer, &cl->kernel, &cl->stride, &cl->pad, NULL);
}

nnom_status_t maxpool_run(nnom_layer_t *layer)
{
    const nnom_window_t w = nnom_pool_window(layer);
    const void *in = layer->in->tensor->p_data;
    void *out = layer->out->tensor->p_data;
    if (nnom_layer_is_wide(layer)) {
        NNOM_LAYOUT(maxpool, s16)(&w, (const q15_t *)in, (q15_t *)out);
    } else {
        NNOM_LAYOUT(maxpool, s8)(&w, (const q7_t *)in, (q7_t *)out);
    }
    return NN_SUCCESS;
}
