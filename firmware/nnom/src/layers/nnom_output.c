/* SPDX-License-Identifier: Apache-2.0
 * Output layer. */
#include "nnom_layer.h"

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
    const nnom_tensor_t *t = config == NULL ? NULL : config->tensor;
    if (t == NULL || t->dim == NULL || t->q_dec == NULL) {
        return NULL;
    }
    nnom_layer_t *layer = Output(nnom_tensor_shape3d(t), t->p_data);
    if (layer != NULL) {
        ((nnom_io_layer_t *)layer)->dec_bit = t->q_dec[0];
    }
    return nnom_layer_with_config(layer, config);
}

#if !NNOM_COMPAT_043
/* bytes of the user's buffer; NNoM copies what the tensor holds, whatever was declared */
static size_t declared_size(const nnom_layer_t *layer)
{
    const nnom_3d_shape_t *s = &((const nnom_io_layer_t *)layer)->shape;
    const nnom_io_config_t *config = (const nnom_io_config_t *)layer->config;
    if (config != NULL && config->tensor->bitwidth != 0) {
        return tensor_size_byte(config->tensor);
    }
    const size_t values =
        config != NULL ? tensor_size(config->tensor) : (size_t)s->h * s->w * s->c;
    return values * layer->out->tensor->bitwidth / 8;
}
#endif

nnom_status_t output_build(nnom_layer_t *layer)
{
    const nnom_io_layer_t *io = (const nnom_io_layer_t *)layer;
    if (io->buf == NULL) {
        return NN_ARGUMENT_ERROR;
    }
#if NNOM_COMPAT_043
    return default_build(layer);
#else
    const nnom_status_t status = default_build(layer);
    if (status == NN_SUCCESS && declared_size(layer) < tensor_size_byte(layer->out->tensor)) {
        NNOM_LOG("\nERROR: the model gives %d bytes, its Output is declared with %d\n",
                 (int)tensor_size_byte(layer->out->tensor), (int)declared_size(layer));
        return NN_SIZE_MISMATCH;
    }
    return status;
#endif
}

nnom_status_t output_run(nnom_layer_t *layer)
{
    const nnom_io_layer_t *io = (const nnom_io_layer_t *)layer;
    nnom_tensor_t *out = layer->out->tensor;
    default_run(layer);
#if defined(NNOM_USING_CHW) && !NNOM_COMPAT_043
    /* the user gets channel-last data back, as it was given; NNoM leaves it channel-first */
    const size_t width = out->bitwidth / 8u;
    for (size_t i = 0; i < tensor_size(out); i++) {
        nnom_memcpy((uint8_t *)io->buf + width * i,
                    (const uint8_t *)out->p_data + width * nnom_tensor_stored_index(out, i), width);
    }
#else
    nnom_memcpy(io->buf, out->p_data, tensor_size_byte(out));
#endif
    return NN_SUCCESS;
}
