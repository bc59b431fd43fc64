/* SPDX-License-Identifier: Apache-2.0
 * NNoM's functions over elements, by their names here. */
#include "nnom.h"

#include "../kernels/kernels.h"

/* ---- sums, differences, products --------------------------------------------------------------- */

#define TWO_OPERANDS(name, type, kernel)                                                           \
    void local_##name##_##type(NNOM_MATRIX_ARGUMENTS(type##_t))                                    \
    {                                                                                              \
        kernel(pSrcA, pSrcB, pDst, out_shift, blockSize);                                          \
    }

#define MANY_OPERANDS(name, type, kernel)                                                          \
    void local_multiple_##name##_##type(NNOM_MULTIPLE_ARGUMENTS(type##_t))                         \
    {                                                                                              \
        kernel(p_src, num_block, p_dst, out_shift, block_size);                                    \
    }

TWO_OPERANDS(add, q7, nnom_add_s8)
TWO_OPERANDS(add, q15, nnom_add_s16)
TWO_OPERANDS(sub, q7, nnom_sub_s8)
TWO_OPERANDS(sub, q15, nnom_sub_s16)
TWO_OPERANDS(mult, q7, nnom_mult_s8)
TWO_OPERANDS(mult, q15, nnom_mult_s16)
MANY_OPERANDS(add, q7, nnom_add_many_s8)
MANY_OPERANDS(add, q15, nnom_add_many_s16)
MANY_OPERANDS(sub, q7, nnom_sub_many_s8)
MANY_OPERANDS(sub, q15, nnom_sub_many_s16)
MANY_OPERANDS(mult, q7, nnom_mult_many_s8)
MANY_OPERANDS(mult, q15, nnom_mult_many_s16)

/* ---- activations ------------------------------------------------------------------------------- */

void local_relu_q7(q7_t *data, uint32_t size)
{
    nnom_relu_s8(data, size);
}

void local_relu_q15(q15_t *data, uint32_t size)
{
    nnom_relu_s16(data, size);
}

void local_leaky_relu_q7(q7_t *data, q7_t alpha, uint32_t size)
{
    nnom_leaky_relu_s8(data, alpha, size);
}

void local_leaky_relu_q15(q15_t *data, q7_t alpha, uint32_t size)
{
    nnom_leaky_relu_s16(data, alpha, size);
}

void local_adv_relu_q7(q7_t *data, q7_t alpha, q7_t max, q7_t threshold, uint32_t size)
{
    nnom_adv_relu_s8(data, alpha, max, threshold, size);
}

void local_adv_relu_q15(q15_t *data, q7_t alpha, q15_t max, q15_t threshold, uint32_t size)
{
    nnom_adv_relu_s16(data, alpha, max, threshold, size);
}

/* parameter: integer bits, or fraction bits of the hard forms */
#define TABLE(name, P_q7, P_q15)                                                                   \
    void local_##name##_q7(q7_t *data, uint32_t size, P_q7 parameter)                              \
    {                                                                                              \
        nnom_##name##_s8(data, size, parameter);                                                   \
    }                                                                                              \
    void local_##name##_q15(q15_t *data, uint32_t size, P_q15 parameter)                           \
    {                                                                                              \
        nnom_##name##_s16(data, size, parameter);                                                  \
    }

TABLE(sigmoid, int16_t, uint16_t)
TABLE(tanh, int16_t, uint16_t)
TABLE(hard_sigmoid, int16_t, int16_t)
TABLE(hard_tanh, int16_t, int16_t)

/* ---- softmax ----------------------------------------------------------------------------------- */

void local_softmax_q7(const q7_t *vec_in, const uint32_t dim_vec, q7_t *p_out)
{
    nnom_softmax_base_two_s8(vec_in, dim_vec, p_out);
}

void local_softmax_q15(const q15_t *vec_in, const uint16_t dim_vec, q15_t *p_out)
{
    nnom_softmax_base_two_s16(vec_in, dim_vec, p_out);
}

/* ---- widths ------------------------------------------------------------------------------------ */

void local_q7_to_q15_no_shift(const q7_t *src, q15_t *des, uint32_t size)
{
    nnom_widen_unscaled(src, des, size);
}

void local_q7_to_q15(const q7_t *src, q15_t *des, uint32_t size)
{
    nnom_widen(src, des, size);
}

void local_q15_to_q7(const q15_t *src, q7_t *des, uint32_t shift, uint32_t size)
{
    nnom_narrow(src, shift, des, size);
}

void local_1_minor_z_q15(q15_t *src, q15_t *des, uint16_t dec_bit, uint32_t size)
{
    nnom_one_minus(src, dec_bit, des, size);
}
