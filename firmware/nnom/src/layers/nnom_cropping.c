/* SPDX-License-Identifier: Apache-2.0
 * Cropping layer. */
#include "nnom_layer.h"

nnom_layer_t *Cropping(nnom_border_t pad)
{
    nnom_layer_t *layer = ZeroPadding(pad);
    if (layer != NULL) {
        layer->type = NNOM_CROPPING;
        layer->run = cropping_run;
        layer->build = cropping_build;
    }
    return layer;
}

nnom_layer_t *cropping_s(const nnom_cropping_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(Cropping(config->pad), config);
}

nnom_status_t cropping_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const nnom_border_t pad = ((const nnom_cropping_layer_t *)layer)->pad;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    if (in.h <= (uint32_t)pad.top + pad.bottom || in.w <= (uint32_t)pad.left + pad.right) {
        return NN_ARGUMENT_ERROR;
    }
    const nnom_shape_data_t dim[3] = {(nnom_shape_data_t)(in.h - pad.top - pad.bottom),
                                      (nnom_shape_data_t)(in.w - pad.left - pad.right), in.c};
    return nnom_layer_new_output(layer, dim, 3, layer->in->tensor->q_dec[0]);
}

nnom_status_t cropping_run(nnom_layer_t *layer)
{
    const nnom_border_t b = ((const nnom_cropping_layer_t *)layer)->pad;
    const nnom_3d_shape_t out = nnom_tensor_shape3d(layer->out->tensor);
    const nnom_picture_t p = nnom_layer_picture(layer);
    nnom_crop(&p, b.top, b.left, out.w, out.h, layer->in->tensor->p_data,
              layer->out->tensor->p_data);
    return NN_SUCCESS;
}
