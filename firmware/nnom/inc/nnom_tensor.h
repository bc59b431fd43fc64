/* SPDX-License-Identifier: Apache-2.0
 * Tensors: shape in H, W, C order, power-of-two scale, data owned elsewhere. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_TENSOR_H
#define NNOM_TENSOR_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { NNOM_QTYPE_PER_TENSOR = 0, NNOM_QTYPE_PER_AXIS = 1 } nnom_qtype_t;

/* real value = p_data[i] * 2^-q_dec; one q_dec, or one per channel with NNOM_QTYPE_PER_AXIS. */
typedef struct _nnom_tensor_t {
    void *p_data;
    nnom_shape_data_t *dim;
    nnom_qformat_param_t *q_dec;
    nnom_qformat_param_t *q_offset;
    nnom_qtype_t qtype;
    uint8_t num_dim;
    uint8_t bitwidth;
} nnom_tensor_t;

void delete_tensor(nnom_tensor_t *t);
/* NULL when there is no memory or the type is unknown. num_channel counts only per axis. */
nnom_tensor_t *new_tensor(nnom_qtype_t type, uint32_t num_dim, uint32_t num_channel);
nnom_tensor_t *tensor_set_attr_v(nnom_tensor_t *t, nnom_qformat_param_t dec_bit,
                                 nnom_qformat_param_t offset, nnom_shape_data_t *dim,
                                 uint32_t num_dim, uint8_t bitwidth);
nnom_tensor_t *tensor_set_attr(nnom_tensor_t *t, nnom_qformat_param_t *dec_bit,
                               nnom_qformat_param_t *offset, nnom_shape_data_t *dim,
                               uint32_t num_dim, uint8_t bitwidth);
/* NULL, and nothing copied, if type or number of dimensions differ. */
nnom_tensor_t *tensor_cpy_attr(nnom_tensor_t *des, nnom_tensor_t *src);
size_t tensor_get_num_channel(nnom_tensor_t *t);
/* Elements; 0 for NULL. */
size_t tensor_size(nnom_tensor_t *t);
size_t tensor_size_byte(nnom_tensor_t *t);

/* Reorder 3-D int8 data; the shape is taken from src. */
void tensor_hwc2chw_q7(nnom_tensor_t *des, nnom_tensor_t *src);
void tensor_chw2hwc_q7(nnom_tensor_t *des, nnom_tensor_t *src);
void hwc2chw_q7(nnom_3d_shape_t shape, q7_t *p_in, q7_t *p_out);
void chw2hwc_q7(nnom_3d_shape_t shape, q7_t *p_in, q7_t *p_out);

/* No tensor has as many elements: all blocks together stay below 2^31 bytes. */
#define NNOM_SIZE_LIMIT (UINT32_MAX / 4 / NNOM_BLOCK_NUM)

#ifdef __cplusplus
}
#endif

#endif
