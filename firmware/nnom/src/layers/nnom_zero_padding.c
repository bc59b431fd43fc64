/* SPDX-License-Identifier: Apache-2.0
 * Zero padding layer. */
#include "nnom_layer.h"

nnom_layer_t *ZeroPadding(nnom_border_t pad)
{
    nnom_layer_t *layer =
        nnom_layer_new(sizeof(nnom_zero_padding_layer_t), NNOM_ZERO_PADDING, NNOM_TENSOR_BUF_TEMP,
                       false, zero_padding_run, zero_padding_build);
    if (layer != NULL) {
        ((nnom_zero_padding_layer_t *)layer)->pad = pad;
    }
    return layer;
}

nnom_layer_t *zeropadding_s(const nnom_zero_padding_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(ZeroPadding(config->pad), config);
}

nnom_status_t zero_padding_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const nnom_border_t pad = ((const nnom_zero_padding_layer_t *)layer)->pad;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const uint32_t h = (uint32_t)in.h + pad.top + pad.bottom;
    const uint32_t w = (uint32_t)in.w + pad.left + pad.right;
    if (h > UINT16_MAX || w > UINT16_MAX) {
        return NN_ARGUMENT_ERROR;
    }
    const nnom_shape_data_t dim[3] = {(nnom_shape_data_t)h, (nnom_shape_data_t)w, in.c};
    return nnom_layer_new_output(layer, dim, 3, layer->in->tensor->q_dec[0]);
}

nnom_status_t zero_padding_run(nnom_layer_t *layer)
{
    const nnom_border_t b = ((const nnom_zero_padding_layer_t *)layer)->pad;
    const nnom_picture_t p = nnom_layer_picture(layer);
    nnom_zero_pad(&p, b.top, b.bottom, b.left, nnom_tensor_shape3d(layer->out->tensor).w,
                  layer->in->tensor->p_data, layer->out->tensor->p_data);
    return NN_SUCCESS;
}
