/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int16 data with int8 weights: the products of recurrent cells. Sums have 64 bits. */
#include "../requantise.h"

/* Rows [first, p->rows) in plain order. */
static void rows_from(const nnom_dense_t *p, uint32_t first, const int8_t *wt, const int16_t *in,
                      int16_t *out)
{
    for (uint32_t r = first; r < p->rows; r++, wt += p->columns) {
        int64_t sum = nnom_start_wide(&p->scale, r);
        for (uint32_t c = 0; c < p->columns; c++) {
            sum += in[c] * wt[c];
        }
        out[r] = nnom_finish_s16(&p->scale, r, sum);
    }
}

void nnom_dense_s16(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    rows_from(p, 0, p->weights, in, out);
}

void nnom_dense_x2_s16_plain(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    const uint32_t grouped = p->rows - p->rows % 4u;
    const int8_t *wt = p->weights;
    for (uint32_t r = 0; r < grouped; r += 4) {
        int64_t sum[4];
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] = nnom_start_wide(&p->scale, r + k);
        }
        uint32_t c = 0;
        for (; c + 2 <= p->columns; c += 2, wt += 8) {
            sum[0] += in[c] * wt[0] + in[c + 1] * wt[2];
            sum[1] += in[c] * wt[1] + in[c + 1] * wt[3];
            sum[2] += in[c] * wt[4] + in[c + 1] * wt[6];
            sum[3] += in[c] * wt[5] + in[c + 1] * wt[7];
        }
        for (; c < p->columns; c++, wt += 4) {
            for (uint32_t k = 0; k < 4; k++) {
                sum[k] += in[c] * wt[k];
            }
        }
        for (uint32_t k = 0; k < 4; k++) {
            out[r + k] = nnom_finish_s16(&p->scale, r + k, sum[k]);
        }
    }
    rows_from(p, grouped, wt, in, out);
}
