/* SPDX-License-Identifier: Apache-2.0
 * Nearest-neighbour upsampling layer. */
#include "nnom_layer.h"

nnom_layer_t *UpSample(nnom_3d_shape_t kernel)
{
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_upsample_layer_t), NNOM_UPSAMPLE,
                                         NNOM_TENSOR_BUF_TEMP, false, upsample_run, upsample_build);
    if (layer != NULL) {
        ((nnom_upsample_layer_t *)layer)->kernel = kernel;
    }
    return layer;
}

nnom_layer_t *upsample_s(const nnom_upsample_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(UpSample(kernel(config->kernel[0], config->kernel[1])), config);
}

nnom_status_t upsample_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const nnom_3d_shape_t k = ((const nnom_upsample_layer_t *)layer)->kernel;
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const uint32_t h = (uint32_t)in.h * k.h;
    const uint32_t w = (uint32_t)in.w * k.w;
    if (h == 0 || w == 0 || h > UINT16_MAX || w > UINT16_MAX) {
        return NN_ARGUMENT_ERROR;
    }
    const nnom_shape_data_t dim[3] = {(nnom_shape_data_t)h, (nnom_shape_data_t)w, in.c};
    return nnom_layer_new_output(layer, dim, 3, layer->in->tensor->q_dec[0]);
}

nnom_status_t upsample_run(nnom_layer_t *layer)
{
    const nnom_3d_shape_t k = ((const nnom_upsample_layer_t *)layer)->kernel;
    const nnom_picture_t p = nnom_layer_picture(layer);
    nnom_up_sample(&p, k.w, k.h, layer->in->tensor->p_data, layer->out->tensor->p_data);
    return NN_SUCCESS;
}
