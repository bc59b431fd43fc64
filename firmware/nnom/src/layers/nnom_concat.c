/* SPDX-License-Identifier: Apache-2.0
 * Concatenation layer. */
#include "nnom_layer.h"

nnom_layer_t *Concat(int8_t axis)
{
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_concat_layer_t), NNOM_CONCAT,
                                         NNOM_TENSOR_BUF_TEMP, false, concat_run, concat_build);
    if (layer != NULL) {
        ((nnom_concat_layer_t *)layer)->axis = axis;
    }
    return layer;
}

nnom_layer_t *concat_s(const nnom_concat_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(Concat(config->axis), config);
}

nnom_status_t concat_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    nnom_concat_layer_t *cl = (nnom_concat_layer_t *)layer;
    const nnom_tensor_t *first = layer->in->tensor;
    const int num_dim = first->num_dim;
    /* Keras counts the batch as axis 0; 0 itself stays the first axis of the data */
    const int axis = cl->axis < 0 ? cl->axis + num_dim : cl->axis > 0 ? cl->axis - 1 : 0;
    nnom_shape_data_t dim[8] = {0};
    if (axis < 0 || axis >= num_dim || num_dim > 8) {
        return NN_ARGUMENT_ERROR;
    }
    cl->axis = (int8_t)axis;
    nnom_memcpy(dim, first->dim, (size_t)num_dim * sizeof(nnom_shape_data_t));
    for (const nnom_layer_io_t *in = layer->in->aux; in != NULL; in = in->aux) {
        if (in->tensor->num_dim != num_dim || in->tensor->bitwidth != first->bitwidth) {
            return NN_ARGUMENT_ERROR;
        }
        for (int i = 0; i < num_dim; i++) {
            if (i == axis) {
                if ((uint32_t)dim[i] + in->tensor->dim[i] > UINT16_MAX) {
                    return NN_SIZE_MISMATCH;
                }
                dim[i] = (nnom_shape_data_t)(dim[i] + in->tensor->dim[i]);
            } else if (dim[i] != in->tensor->dim[i]) {
                return NN_ARGUMENT_ERROR;
            }
        }
    }
    return nnom_layer_new_output(layer, dim, (uint8_t)num_dim, first->q_dec[0]);
}

/* Copies that one run is made of: the dimensions stored outside the joined one. */
static size_t copies(const nnom_tensor_t *out, int axis)
{
    size_t outer = 1;
#ifdef NNOM_USING_CHW
    if (axis == out->num_dim - 1) {
        return 1; /* the last dimension is the outermost */
    }
    outer = out->dim[out->num_dim - 1];
#endif
    for (int i = 0; i < axis; i++) {
        outer *= out->dim[i];
    }
    return outer;
}

nnom_status_t concat_run(nnom_layer_t *layer)
{
    const nnom_tensor_t *out = layer->out->tensor;
    const size_t outer = copies(out, ((const nnom_concat_layer_t *)layer)->axis);
    const size_t row = tensor_size_byte(layer->out->tensor) / outer;
    uint8_t *dst = (uint8_t *)out->p_data;
    for (const nnom_layer_io_t *in = layer->in; in != NULL; in = in->aux) {
        const size_t slab = tensor_size_byte(in->tensor) / outer;
        nnom_copy_rows(in->tensor->p_data, slab, dst, row, slab, outer);
        dst += slab;
    }
    return NN_SUCCESS;
}
