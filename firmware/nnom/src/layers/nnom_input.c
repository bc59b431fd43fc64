/* SPDX-License-Identifier: Apache-2.0
 * Input layer. */
#include "nnom_layer.h"

static nnom_layer_t *new_input(nnom_3d_shape_t input_shape, int32_t dec, void *p_buf)
{
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_io_layer_t), NNOM_INPUT, NNOM_TENSOR_BUF_NULL,
                                         false, input_run, input_build);
    nnom_tensor_t *t = new_tensor(NNOM_QTYPE_PER_TENSOR, 3, 1);
    if (layer == NULL || t == NULL) {
        delete_tensor(t);
        nnom_free(layer);
        return NULL;
    }
    nnom_shape_data_t dim[3] = {input_shape.h, input_shape.w, input_shape.c};
    layer->in->tensor = tensor_set_attr_v(t, dec, 0, dim, 3, 8);
    nnom_io_layer_t *io = (nnom_io_layer_t *)layer;
    io->shape = input_shape;
    io->dec_bit = dec;
    io->buf = p_buf;
    return layer;
}

nnom_layer_t *Input(nnom_3d_shape_t input_shape, void *p_buf)
{
    return new_input(input_shape, 7, p_buf);
}

nnom_layer_t *input_s(const nnom_io_config_t *config)
{
    const nnom_tensor_t *t = config == NULL ? NULL : config->tensor;
    if (t == NULL || t->dim == NULL || t->q_dec == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(new_input(nnom_tensor_shape3d(t), t->q_dec[0], t->p_data),
                                  config);
}

nnom_status_t input_build(nnom_layer_t *layer)
{
    const nnom_tensor_t *in = layer->in->tensor;
    if (((const nnom_io_layer_t *)layer)->buf == NULL) {
        return NN_ARGUMENT_ERROR;
    }
    return nnom_layer_new_output(layer, in->dim, in->num_dim, in->q_dec[0]);
}

nnom_status_t input_run(nnom_layer_t *layer)
{
    const nnom_io_layer_t *io = (const nnom_io_layer_t *)layer;
#ifdef NNOM_USING_CHW
    hwc2chw_q7(nnom_tensor_shape3d(layer->in->tensor), (q7_t *)io->buf,
               (q7_t *)layer->in->tensor->p_data);
#else
    nnom_memcpy(layer->in->tensor->p_data, io->buf, tensor_size_byte(layer->in->tensor));
#endif
    if (layer->out->tensor->p_data != layer->in->tensor->p_data) {
        return default_run(layer);
    }
    return NN_SUCCESS;
}
