/* SPDX-License-Identifier: Apache-2.0
 * Fully connected kernels. */
#include "nnom_dot.h"

static q7_t finish(int32_t sum, uint16_t out_shift)
{
    return nnom_sat8(sum >> out_shift);
}

void local_fully_connected_q7(NNOM_FULLY_CONNECTED_ARGUMENTS(q7_t))
{
    (void)vec_buffer;
    for (uint32_t r = 0; r < num_of_rows; r++) {
        const int32_t start =
            (bias == NULL ? 0 : nnom_lshift(bias[r], bias_shift)) + NNOM_ROUND(out_shift);
        *pOut++ = finish(nnom_dot(pV, pM, dim_vec, start), out_shift);
        pM += dim_vec;
    }
}

/* Four rows at once: tiles of four columns, then the columns left over, each r0 r1 r2 r3.
 * Returns the end of what it read. */
static const q7_t *four_rows(const q7_t *v, const q7_t *m, uint32_t columns, int32_t sum[4])
{
    int32_t s[4] = {sum[0], sum[1], sum[2], sum[3]};
    for (; columns >= 4; columns -= 4, v += 4, m += 16) {
        nnom_dot_tile(v, m, s);
    }
    for (; columns > 0; columns--, v++, m += 4) {
        for (uint32_t k = 0; k < 4; k++) {
            s[k] += *v * m[k];
        }
    }
    nnom_memcpy(sum, s, sizeof(s));
    return m;
}

void local_fully_connected_q7_opt(NNOM_FULLY_CONNECTED_ARGUMENTS(q7_t))
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

static inline int32_t start_of_row(const q7_t *bias, const nnom_qformat_param_t *bias_shift,
                                   const nnom_qformat_param_t *out_shift, uint32_t row)
{
    return (bias == NULL ? 0 : nnom_lshift(bias[row], bias_shift[row])) + NNOM_ROUND(out_shift[row]);
}

void nnom_fully_connected_per_axis_q7(const q7_t *pV, const q7_t *pM, uint16_t dim_vec,
                                      uint16_t num_of_rows, const nnom_qformat_param_t *bias_shift,
                                      const nnom_qformat_param_t *out_shift, const q7_t *bias,
                                      q7_t *pOut)
{
    uint32_t r = 0;
    for (; r + 4 <= num_of_rows; r += 4, pM += 4 * (uint32_t)dim_vec) {
        int32_t sum[4];
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] = start_of_row(bias, bias_shift, out_shift, r + k);
        }
        nnom_dot_4_rows(pV, pM, dim_vec, sum);
        for (uint32_t k = 0; k < 4; k++) {
            pOut[r + k] = finish(sum[k], (uint16_t)out_shift[r + k]);
        }
    }
    for (; r < num_of_rows; r++, pM += dim_vec) {
        const int32_t start = start_of_row(bias, bias_shift, out_shift, r);
        pOut[r] = finish(nnom_dot(pV, pM, dim_vec, start), (uint16_t)out_shift[r]);
    }
}

void local_dot_q7(NNOM_DOT_ARGUMENTS(q7_t))
{
    local_fully_connected_q7(pV, pM, dim_vec, num_of_rows, 0, out_shift, NULL, pOut, NULL);
}

void local_dot_q7_opt(NNOM_DOT_ARGUMENTS(q7_t))
{
    local_fully_connected_q7_opt(pV, pM, dim_vec, num_of_rows, 0, out_shift, NULL, pOut, NULL);
}
