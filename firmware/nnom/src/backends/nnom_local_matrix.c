/* SPDX-License-Identifier: Apache-2.0
 * Element-wise kernels. */
#include "nnom.h"

static q7_t finish_q7(int32_t value, int32_t shift)
{
    return (q7_t)__NNOM_SSAT((value + NNOM_ROUND(shift)) >> shift, 8);
}

/* 64 bits: the product of two int16 and its rounding can pass 2^31 */
static q15_t finish_q15(int64_t value, int32_t shift)
{
    const int64_t shifted = (value + NNOM_ROUND(shift)) >> shift;
    return (q15_t)(shifted > INT16_MAX ? INT16_MAX : shifted < INT16_MIN ? INT16_MIN : shifted);
}

#define TWO_OPERANDS(type, name, operation, wide)                                        \
    void local_##name##_##type(NNOM_MATRIX_ARGUMENTS(type##_t))                          \
    {                                                                                    \
        for (uint32_t i = 0; i < blockSize; i++) {                                       \
            pDst[i] = finish_##type((wide)pSrcA[i] operation pSrcB[i], out_shift);       \
        }                                                                                \
    }

#define MANY_OPERANDS(type, name, operation, wide)                                       \
    void local_multiple_##name##_##type(NNOM_MULTIPLE_ARGUMENTS(type##_t))               \
    {                                                                                    \
        for (uint32_t i = 0; i < block_size; i++) {                                      \
            wide value = p_src[0][i];                                                    \
            for (uint32_t n = 1; n < num_block; n++) {                                   \
                value = value operation p_src[n][i];                                     \
            }                                                                            \
            p_dst[i] = finish_##type(value, out_shift);                                  \
        }                                                                                \
    }

TWO_OPERANDS(q7, add, +, int32_t)
TWO_OPERANDS(q7, sub, -, int32_t)
TWO_OPERANDS(q7, mult, *, int32_t)
TWO_OPERANDS(q15, add, +, int32_t)
TWO_OPERANDS(q15, sub, -, int32_t)
TWO_OPERANDS(q15, mult, *, int64_t)
MANY_OPERANDS(q7, add, +, int32_t)
MANY_OPERANDS(q7, sub, -, int32_t)
MANY_OPERANDS(q15, add, +, int32_t)
MANY_OPERANDS(q15, sub, -, int32_t)

void local_multiple_mult_q7(NNOM_MULTIPLE_ARGUMENTS(q7_t))
{
    for (uint32_t i = 0; i < block_size; i++) {
        /* five operands and more may leave 32 bits: the product wraps, as NNoM's does in practice */
        uint32_t product = 1;
        for (uint32_t n = 0; n < num_block; n++) {
            const int32_t factor = p_src[n][i];
            product *= (uint32_t)factor;
        }
        const int64_t value = (int32_t)product;
        const int64_t shifted = (value + NNOM_ROUND(out_shift)) >> out_shift;
        p_dst[i] = (q7_t)(shifted > 127 ? 127 : shifted < -128 ? -128 : shifted);
    }
}

void local_multiple_mult_q15(NNOM_MULTIPLE_ARGUMENTS(q15_t))
{
    for (uint32_t i = 0; i < block_size; i++) {
        uint64_t product = 1; /* wraps from five operands on */
        for (uint32_t n = 0; n < num_block; n++) {
            const int64_t factor = p_src[n][i];
            product *= (uint64_t)factor;
        }
        p_dst[i] = finish_q15((int64_t)product, out_shift);
    }
}
