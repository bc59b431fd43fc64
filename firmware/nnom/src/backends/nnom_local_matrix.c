/* SPDX-License-Identifier: Apache-2.0
 * Element-wise kernels. */
#include "nnom.h"

static q7_t finish(int32_t value, int32_t shift)
{
    return (q7_t)__NNOM_SSAT((value + NNOM_ROUND(shift)) >> shift, 8);
}

void local_add_q7(q7_t *pSrcA, q7_t *pSrcB, q7_t *pDst, const uint16_t out_shift,
                  uint32_t blockSize)
{
    for (uint32_t i = 0; i < blockSize; i++) {
        pDst[i] = finish(pSrcA[i] + pSrcB[i], out_shift);
    }
}

void local_sub_q7(q7_t *pSrcA, q7_t *pSrcB, q7_t *pDst, const uint16_t out_shift,
                  uint32_t blockSize)
{
    for (uint32_t i = 0; i < blockSize; i++) {
        pDst[i] = finish(pSrcA[i] - pSrcB[i], out_shift);
    }
}

void local_mult_q7(q7_t *pSrcA, q7_t *pSrcB, q7_t *pDst, const uint16_t out_shift,
                   uint32_t blockSize)
{
    for (uint32_t i = 0; i < blockSize; i++) {
        pDst[i] = finish(pSrcA[i] * pSrcB[i], out_shift);
    }
}

void local_multiple_add_q7(q7_t *p_dst, const int16_t out_shift, uint32_t block_size,
                           uint32_t num_block, q7_t **p_src)
{
    for (uint32_t i = 0; i < block_size; i++) {
        int32_t sum = 0;
        for (uint32_t n = 0; n < num_block; n++) {
            sum += p_src[n][i];
        }
        p_dst[i] = finish(sum, out_shift);
    }
}

void local_multiple_sub_q7(q7_t *p_dst, const int16_t out_shift, uint32_t block_size,
                           uint32_t num_block, q7_t **p_src)
{
    for (uint32_t i = 0; i < block_size; i++) {
        int32_t sum = p_src[0][i];
        for (uint32_t n = 1; n < num_block; n++) {
            sum -= p_src[n][i];
        }
        p_dst[i] = finish(sum, out_shift);
    }
}

void local_multiple_mult_q7(q7_t *p_dst, const int16_t out_shift, uint32_t block_size,
                            uint32_t num_block, q7_t **p_src)
{
    for (uint32_t i = 0; i < block_size; i++) {
        /* five operands and more may leave 32 bits: the product wraps, as NNoM's does in practice */
        uint32_t product = 1;
        for (uint32_t n = 0; n < num_block; n++) {
            const int32_t factor = p_src[n][i];
            product *= (uint32_t)factor;
        }
        p_dst[i] = finish((int32_t)product, out_shift);
    }
}
