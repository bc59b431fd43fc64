/* SPDX-License-Identifier: Apache-2.0
 * Tensor objects. */
#include "nnom_core.h"

void delete_tensor(nnom_tensor_t *t)
{
    if (t != NULL) {
        nnom_free(t);
    }
}

nnom_tensor_t *new_tensor(nnom_qtype_t type, uint32_t num_dim, uint32_t num_channel)
{
    if (type != NNOM_QTYPE_PER_TENSOR && type != NNOM_QTYPE_PER_AXIS) {
        NNOM_LOG("ERROR: tensor type not specified\n");
        return NULL;
    }
    const size_t q_len = type == NNOM_QTYPE_PER_AXIS ? num_channel : 1;
    const size_t head = nnom_alignto(sizeof(nnom_tensor_t), NNOM_ALIGN);
    const size_t dims = nnom_alignto(num_dim * sizeof(nnom_shape_data_t), NNOM_ALIGN);
    uint8_t *memory = nnom_mem(head + dims + 2 * q_len * sizeof(nnom_qformat_param_t));
    if (memory == NULL) {
        return NULL;
    }
    nnom_tensor_t *t = (nnom_tensor_t *)(void *)memory;
    t->dim = (nnom_shape_data_t *)(void *)(memory + head);
    t->q_dec = (nnom_qformat_param_t *)(void *)(memory + head + dims);
    t->q_offset = t->q_dec + q_len;
    t->num_dim = (uint8_t)num_dim;
    t->qtype = type;
    return t;
}

nnom_tensor_t *tensor_set_attr_v(nnom_tensor_t *t, nnom_qformat_param_t dec_bit,
                                 nnom_qformat_param_t offset, nnom_shape_data_t *dim,
                                 uint32_t num_dim, uint8_t bitwidth)
{
    t->num_dim = (uint8_t)num_dim;
    t->bitwidth = bitwidth;
    t->q_dec[0] = dec_bit;
    t->q_offset[0] = offset;
    nnom_memcpy(t->dim, dim, sizeof(nnom_shape_data_t) * num_dim);
    return t;
}

nnom_tensor_t *tensor_set_attr(nnom_tensor_t *t, nnom_qformat_param_t *dec_bit,
                               nnom_qformat_param_t *offset, nnom_shape_data_t *dim,
                               uint32_t num_dim, uint8_t bitwidth)
{
    t->num_dim = (uint8_t)num_dim;
    t->bitwidth = bitwidth;
    nnom_memcpy(t->dim, dim, sizeof(nnom_shape_data_t) * num_dim);
    const size_t q_len = t->qtype == NNOM_QTYPE_PER_AXIS ? tensor_get_num_channel(t) : 1;
    nnom_memcpy(t->q_dec, dec_bit, sizeof(nnom_qformat_param_t) * q_len);
    nnom_memcpy(t->q_offset, offset, sizeof(nnom_qformat_param_t) * q_len);
    return t;
}

nnom_tensor_t *tensor_cpy_attr(nnom_tensor_t *des, nnom_tensor_t *src)
{
    if (src->qtype != des->qtype || src->num_dim != des->num_dim) {
        return NULL;
    }
    const size_t q_len = src->qtype == NNOM_QTYPE_PER_AXIS ? tensor_get_num_channel(src) : 1;
    nnom_memcpy(des->dim, src->dim, sizeof(nnom_shape_data_t) * src->num_dim);
    nnom_memcpy(des->q_dec, src->q_dec, sizeof(nnom_qformat_param_t) * q_len);
    nnom_memcpy(des->q_offset, src->q_offset, sizeof(nnom_qformat_param_t) * q_len);
    des->bitwidth = src->bitwidth;
    return des;
}

size_t tensor_get_num_channel(nnom_tensor_t *t)
{
    return t == NULL || t->num_dim == 0 ? 0 : t->dim[t->num_dim - 1];
}

size_t tensor_size(nnom_tensor_t *t)
{
    if (t == NULL) {
        return 0;
    }
    size_t size = t->num_dim == 0 ? 0 : 1;
    for (uint32_t i = 0; i < t->num_dim; i++) {
        size *= t->dim[i];
    }
    return size;
}

size_t tensor_size_byte(nnom_tensor_t *t)
{
    return t == NULL ? 0 : tensor_size(t) * t->bitwidth / 8;
}

nnom_3d_shape_t nnom_tensor_shape3d(const nnom_tensor_t *t)
{
    switch (t->num_dim) {
    case 0:
        return shape(0, 0, 0);
    case 1:
        return shape(1, 1, t->dim[0]);
    case 2:
        return shape(1, t->dim[0], t->dim[1]);
    default:
        return shape(t->dim[0], t->dim[1], t->dim[2]);
    }
}

void hwc2chw_q7(nnom_3d_shape_t shape, q7_t *p_in, q7_t *p_out)
{
    const size_t plane = (size_t)shape.h * shape.w;
    for (size_t c = 0; c < shape.c; c++) {
        for (size_t i = 0; i < plane; i++) {
            *p_out++ = p_in[i * shape.c + c];
        }
    }
}

void chw2hwc_q7(nnom_3d_shape_t shape, q7_t *p_in, q7_t *p_out)
{
    const size_t plane = (size_t)shape.h * shape.w;
    for (size_t i = 0; i < plane; i++) {
        for (size_t c = 0; c < shape.c; c++) {
            *p_out++ = p_in[c * plane + i];
        }
    }
}

void tensor_hwc2chw_q7(nnom_tensor_t *des, nnom_tensor_t *src)
{
    hwc2chw_q7(nnom_tensor_shape3d(src), (q7_t *)src->p_data, (q7_t *)des->p_data);
}

void tensor_chw2hwc_q7(nnom_tensor_t *des, nnom_tensor_t *src)
{
    chw2hwc_q7(nnom_tensor_shape3d(src), (q7_t *)src->p_data, (q7_t *)des->p_data);
}

nnom_tensor_t *nnom_tensor_over(const void *data, const nnom_shape_data_t *dim, uint32_t num_dim)
{
    nnom_tensor_t *t = new_tensor(NNOM_QTYPE_PER_TENSOR, num_dim, 1);
    if (t != NULL) {
        nnom_memcpy(t->dim, dim, num_dim * sizeof(nnom_shape_data_t));
        t->bitwidth = 8;
        t->p_data = (void *)(uintptr_t)data;
    }
    return t;
}

uint32_t nnom_dims_size(const nnom_shape_data_t *dim, uint32_t num_dim)
{
    uint64_t size = num_dim == 0 ? 0 : 1;
    for (uint32_t i = 0; i < num_dim; i++) {
        size *= dim[i];
        size = size > NNOM_SIZE_LIMIT ? NNOM_SIZE_LIMIT : size;
    }
    return (uint32_t)size;
}

bool nnom_tensor_holds(const nnom_tensor_t *t, size_t n)
{
    return t != NULL && t->p_data != NULL && t->dim != NULL &&
           nnom_dims_size(t->dim, t->num_dim) >= (n == 0 ? 1 : n);
}

size_t nnom_tensor_stored_index(const nnom_tensor_t *t, size_t i)
{
#ifdef NNOM_USING_CHW
    size_t outer = 1;
    for (uint32_t k = 0; k + 1 < t->num_dim; k++) {
        outer *= t->dim[k];
    }
    const size_t channels = t->dim[t->num_dim - 1];
    return i % channels * outer + i / channels;
#else
    (void)t;
    return i;
#endif
}
