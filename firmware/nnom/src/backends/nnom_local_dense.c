/* SPDX-License-Identifier: Apache-2.0
 * Fully connected kernels. */
#include "nnom.h"

static q7_t finish(int32_t sum, uint16_t out_shift)
{
    return (q7_t)__NNOM_SSAT(sum >> out_shift, 8);
}

void local_fully_connected_q7(const q7_t *pV, const q7_t *pM, const uint16_t dim_vec,
                              const uint16_t num_of_rows, const uint16_t bias_shift,
                              const uint16_t out_shift, const q7_t *bias, q7_t *pOut,
                              q15_t *vec_buffer)
{
    (void)vec_buffer;
    for (uint32_t r = 0; r < num_of_rows; r++) {
        int32_t sum = (bias == NULL ? 0 : nnom_lshift(bias[r], bias_shift)) + NNOM_ROUND(out_shift);
        for (uint32_t c = 0; c < dim_vec; c++) {
            sum += pV[c] * *pM++;
        }
        *pOut++ = finish(sum, out_shift);
    }
}

/* Four rows at once. The stream holds, per four columns c, the values
 * r0c0 r1c0 r0c2 r1c2  r2c0 r3c0 r2c2 r3c2  r0c1 r1c1 r0c3 r1c3  r2c1 r3c1 r2c3 r3c3, then the
 * columns left over, each r0 r1 r2 r3. Returns the end of what it read. */
static const q7_t *four_rows(const q7_t *v, const q7_t *m, uint32_t columns, int32_t sum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    for (; columns >= 4; columns -= 4, v += 4, m += 16) {
        s0 += v[0] * m[0] + v[2] * m[2] + v[1] * m[8] + v[3] * m[10];
        s1 += v[0] * m[1] + v[2] * m[3] + v[1] * m[9] + v[3] * m[11];
        s2 += v[0] * m[4] + v[2] * m[6] + v[1] * m[12] + v[3] * m[14];
        s3 += v[0] * m[5] + v[2] * m[7] + v[1] * m[13] + v[3] * m[15];
    }
    for (; columns > 0; columns--, v++, m += 4) {
        s0 += v[0] * m[0];
        s1 += v[0] * m[1];
        s2 += v[0] * m[2];
        s3 += v[0] * m[3];
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
    return m;
}

void local_fully_connected_q7_opt(const q7_t *pV, const q7_t *pM, const uint16_t dim_vec,
                                  const uint16_t num_of_rows, const uint16_t bias_shift,
                                  const uint16_t out_shift, const q7_t *bias, q7_t *pOut,
                                  q15_t *vec_buffer)
{
    const uint32_t grouped = num_of_rows - num_of_rows % 4u;
    for (uint32_t r = 0; r < grouped; r += 4) {
        int32_t sum[4];
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] = (bias == NULL ? 0 : nnom_lshift(bias[r + k], bias_shift)) +
                     NNOM_ROUND(out_shift);
        }
        pM = four_rows(pV, pM, dim_vec, sum);
        for (uint32_t k = 0; k < 4; k++) {
            *pOut++ = finish(sum[k], out_shift);
        }
    }
#if NNOM_COMPAT_043
    const q7_t *tail_bias = bias; /* NNoM 0.4.3 starts again at bias[0] for the rows left over */
#else
    const q7_t *tail_bias = bias == NULL ? NULL : bias + grouped;
#endif
    local_fully_connected_q7(pV, pM, dim_vec, (uint16_t)(num_of_rows - grouped), bias_shift,
                             out_shift, tail_bias, pOut, vec_buffer);
}
