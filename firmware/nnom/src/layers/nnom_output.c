/* SPDX-License-Identifier: Apache-2.0
 * Output layer. */
#include "nnom.h"

nnom_layer_t *Output(nnom_3d_shape_t output_shape, void *p_buf)
{
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_io_layer_t), NNOM_OUTPUT, NNOM_TENSOR_BUF_NULL,
                                         false, output_run, output_build);
    if (layer != NULL) {
        nnom_io_layer_t *io = (nnom_io_layer_t *)layer;
        io->shape = output_shape;
        io->dec_bit = 7;
        io->buf = p_buf;
    }
    return layer;
}

nnom_layer_t *output_s(const nnom_io_config_t *config)
{
    const nnom_tensor_t *t = config->tensor;
    nnom_layer_t *layer = Output(nnom_tensor_shape3d(t), t->p_data);
    if (layer != NULL) {
        ((nnom_io_layer_t *)layer)->dec_bit = t->q_dec[0];
        layer->config = (nnom_layer_config_t *)(uintptr_t)config;
    }
    return layer;
}

nnom_status_t output_build(nnom_layer_t *layer)
{
    return default_build(layer);
}

nnom_status_t output_run(nnom_layer_t *layer)
{
    const nnom_io_layer_t *io = (const nnom_io_layer_t *)layer;
    NNOM_NULL_CHECK(io->buf);
    default_run(layer);
    nnom_memcpy(io->buf, layer->out->tensor->p_data, tensor_size_byte(layer->out->tensor));
    return NN_SUCCESS;
}
