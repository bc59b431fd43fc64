/* SPDX-License-Identifier: Apache-2.0
 * What layers share: shapes, ios, the default build and run. */
#include "nnom_layer.h"

nnom_3d_shape_t shape(size_t h, size_t w, size_t c)
{
    const nnom_3d_shape_t s = {(nnom_shape_data_t)h, (nnom_shape_data_t)w, (nnom_shape_data_t)c};
    return s;
}

nnom_3d_shape_t kernel(size_t h, size_t w)
{
    return shape(h, w, 1);
}

nnom_3d_shape_t stride(size_t h, size_t w)
{
    return shape(h, w, 1);
}

nnom_3d_shape_t dilation(size_t h, size_t w)
{
    return shape(h, w, 1);
}

nnom_border_t border(size_t top, size_t bottom, size_t left, size_t right)
{
    const nnom_border_t b = {(nnom_shape_data_t)top, (nnom_shape_data_t)bottom,
                             (nnom_shape_data_t)left, (nnom_shape_data_t)right};
    return b;
}

size_t shape_size(nnom_3d_shape_t *s)
{
    return s == NULL ? 0 : (size_t)s->h * s->w * s->c;
}

nnom_layer_io_t *io_init(void *owner_layer, nnom_layer_io_t *io)
{
    io->owner = (nnom_layer_t *)owner_layer;
    return io;
}

nnom_layer_io_t *io_add_aux(nnom_layer_io_t *targeted_io)
{
    if (targeted_io == NULL || targeted_io->owner == NULL || targeted_io->aux != NULL) {
        return NULL;
    }
    nnom_layer_io_t *aux = nnom_mem(sizeof(nnom_layer_io_t));
    if (aux == NULL) {
        return NULL;
    }
    targeted_io->aux = aux;
    return io_init(targeted_io->owner, aux);
}

nnom_layer_t *nnom_layer_new(size_t struct_size, nnom_layer_type_t type, uint8_t out_type,
                             bool with_comp, nnom_status_t (*run)(nnom_layer_t *),
                             nnom_status_t (*build)(nnom_layer_t *))
{
    const size_t head = nnom_alignto(struct_size, NNOM_ALIGN);
    const size_t io = nnom_alignto(sizeof(nnom_layer_io_t), NNOM_ALIGN);
    uint8_t *memory = nnom_mem(head + 2 * io + (with_comp ? sizeof(nnom_buf_t) : 0));
    if (memory == NULL) {
        return NULL;
    }
    nnom_layer_t *layer = (nnom_layer_t *)(void *)memory;
    layer->type = type;
    layer->run = run;
    layer->build = build;
    layer->in = io_init(layer, (nnom_layer_io_t *)(void *)(memory + head));
    layer->out = io_init(layer, (nnom_layer_io_t *)(void *)(memory + head + io));
    layer->in->type = NNOM_TENSOR_BUF_TEMP;
    layer->out->type = out_type;
    if (with_comp) {
        layer->comp = (nnom_buf_t *)(void *)(memory + head + 2 * io);
        layer->comp->type = NNOM_TENSOR_BUF_TEMP;
    }
    return layer;
}

nnom_status_t nnom_layer_take_inputs(nnom_layer_t *layer)
{
    for (nnom_layer_io_t *in = layer->in; in != NULL; in = in->aux) {
        if (in->hook.io == NULL || in->hook.io->tensor == NULL) {
            return NN_ARGUMENT_ERROR;
        }
        in->tensor = in->hook.io->tensor;
    }
    return NN_SUCCESS;
}

int32_t nnom_dec_after(nnom_activation_type_t type, int32_t dec, bool wide)
{
    const bool has_its_own = act_get_dec_bit(type, 0) == 7;
    return has_its_own ? (wide ? 15 : 7) : dec;
}

nnom_layer_t *nnom_layer_set_dec(nnom_layer_t *layer, int32_t dec)
{
    if (layer != NULL) {
        layer->dec = (int16_t)(dec > INT16_MAX ? INT16_MAX : dec < INT16_MIN ? INT16_MIN : dec);
        layer->is_declared = true;
    }
    return layer;
}

static bool is_fixed(const nnom_activation_t *act)
{
    return act != NULL && act_get_dec_bit(act->type, 0) == 7;
}

static bool knows_dec(const nnom_layer_t *layer)
{
    if (layer->is_declared || is_fixed(layer->actail)) {
        return true;
    }
    const nnom_layer_io_t *source = layer->in->hook.io;
    const bool inherits = source != NULL && source->owner->knows_dec;
    switch (layer->type) {
    case NNOM_INPUT:
        return layer->config != NULL;
    case NNOM_CONV_2D:
    case NNOM_DW_CONV_2D:
    case NNOM_CONV2D_TRANS:
    case NNOM_DENSE:
        return layer->config != NULL && inherits;
    case NNOM_RNN:
    case NNOM_SOFTMAX:
        return true;
    case NNOM_ACTIVATION:
    case NNOM_SIGMOID:
    case NNOM_TANH:
        return is_fixed(((const nnom_activation_layer_t *)layer)->act) || inherits;
    default:
        return inherits;
    }
}

nnom_status_t nnom_layer_new_output(nnom_layer_t *layer, const nnom_shape_data_t *dim,
                                    uint8_t num_dim, int32_t dec)
{
    if (nnom_dims_size(dim, num_dim) - 1 >= NNOM_SIZE_LIMIT - 1) { /* none, or too many */
        return NN_SIZE_MISMATCH;
    }
    nnom_tensor_t *t = new_tensor(NNOM_QTYPE_PER_TENSOR, num_dim, 1);
    if (t == NULL) {
        return NN_NO_MEMORY;
    }
#if !NNOM_COMPAT_043
    dec = layer->is_declared ? layer->dec : dec;
#endif
    layer->knows_dec = knows_dec(layer);
    if (layer->actail != NULL) {
        dec = nnom_dec_after(layer->actail->type, dec, nnom_layer_is_wide(layer));
    }
    nnom_memcpy(t->dim, dim, num_dim * sizeof(nnom_shape_data_t));
    t->q_dec[0] = dec;
    t->bitwidth = nnom_layer_is_wide(layer) ? 16 : 8;
    layer->out->tensor = t;
    return NN_SUCCESS;
}

nnom_layer_t *nnom_layer_with_config(nnom_layer_t *layer, const void *config)
{
    if (layer != NULL) {
        layer->config = (nnom_layer_config_t *)(uintptr_t)config;
    }
    return layer;
}

bool nnom_layer_is_wide(const nnom_layer_t *layer)
{
    return layer->in->tensor != NULL && layer->in->tensor->bitwidth == 16;
}

bool nnom_layer_is_hwc_s8(const nnom_layer_t *layer)
{
#ifdef NNOM_USING_CHW
    (void)layer;
    return false;
#else
    return !nnom_layer_is_wide(layer);
#endif
}

void nnom_layer_fuse_relu(nnom_layer_t *layer)
{
    layer->fuses_relu = layer->actail != NULL && layer->actail->type == ACT_RELU &&
                        !nnom_layer_is_wide(layer);
}

int32_t nnom_sum_decs(int32_t a, int32_t b, int32_t c)
{
    const int64_t sum = (int64_t)a + b - c;
    return (int32_t)(sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum);
}

nnom_3d_shape_t nnom_size_pair(const int8_t *size, bool is_1d)
{
    const size_t a = (size_t)(size[0] > 0 ? size[0] : 0);
    const size_t b = (size_t)(!is_1d && size[1] > 0 ? size[1] : 0);
    return is_1d ? shape(1, a, 1) : shape(a, b, 1);
}

uint16_t nnom_pad_before(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride,
                         uint32_t dilation)
{
#if NNOM_COMPAT_043
    (void)in, (void)out, (void)stride;
    return (uint16_t)(dilation * (kernel - 1) / 2);
#else
    /* Keras: what the last window lacks, the smaller half before the image. */
    const uint32_t needed = (out - 1) * stride + (kernel - 1) * dilation + 1;
    return (uint16_t)(needed > in ? (needed - in) / 2 : 0);
#endif
}

nnom_status_t nnom_check_shifts(const nnom_qformat_param_t *shift, size_t n)
{
    if (shift == NULL) {
        return NN_ARGUMENT_ERROR;
    }
    for (size_t i = 0; i < n; i++) {
        if (shift[i] < 0 || shift[i] > 30) {
            return NN_ARGUMENT_ERROR;
        }
    }
    return NN_SUCCESS;
}

nnom_status_t default_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const nnom_tensor_t *in = layer->in->tensor;
    return nnom_layer_new_output(layer, in->dim, in->num_dim, in->q_dec[0]);
}

nnom_status_t default_run(nnom_layer_t *layer)
{
    if (layer->out->tensor->p_data != layer->in->tensor->p_data) {
        nnom_memcpy(layer->out->tensor->p_data, layer->in->tensor->p_data,
                    tensor_size_byte(layer->out->tensor));
    }
    return NN_SUCCESS;
}

nnom_window_t nnom_layer_window(const nnom_layer_t *layer, const nnom_3d_shape_t *kernel,
                                const nnom_3d_shape_t *stride, const nnom_3d_shape_t *pad,
                                const nnom_3d_shape_t *dilation)
{
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const nnom_3d_shape_t out = nnom_tensor_shape3d(layer->out->tensor);
    const nnom_window_t w = {
        .in_x = in.w,
        .in_y = in.h,
        .channels = in.c,
        .out_x = out.w,
        .out_y = out.h,
        .kernel_x = kernel->w,
        .kernel_y = kernel->h,
        .pad_x = pad->w,
        .pad_y = pad->h,
        .stride_x = stride->w,
        .stride_y = stride->h,
        .dilation_x = dilation == NULL ? 1 : dilation->w,
        .dilation_y = dilation == NULL ? 1 : dilation->h,
    };
    return w;
}

nnom_picture_t nnom_layer_picture(const nnom_layer_t *layer)
{
    const nnom_3d_shape_t in = nnom_tensor_shape3d(layer->in->tensor);
    const size_t bytes = nnom_layer_is_wide(layer) ? 2 : 1;
#ifdef NNOM_USING_CHW
    const nnom_picture_t p = {bytes, in.w, in.h, in.c};
#else
    const nnom_picture_t p = {in.c * bytes, in.w, in.h, 1};
#endif
    return p;
}
