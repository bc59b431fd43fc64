/* SPDX-License-Identifier: Apache-2.0
 * Fully connected, in groups of four rows. A form includes its finish.h, then this. */
#ifndef NNOM_DENSE_GROUPS_H
#define NNOM_DENSE_GROUPS_H

#include "requantise.h"

static inline void start_group(const nnom_scale_t *s, uint32_t row, int32_t sum[4])
{
    sum[0] = nnom_start(s, row), sum[1] = nnom_start(s, row + 1);
    sum[2] = nnom_start(s, row + 2), sum[3] = nnom_start(s, row + 3);
}

static inline void finish_group(const nnom_scale_t *s, uint32_t row, const int32_t sum[4],
                                int8_t *out)
{
    out[row] = finish(s, row, sum[0]);
    out[row + 1] = finish(s, row + 1, sum[1]);
    out[row + 2] = finish(s, row + 2, sum[2]);
    out[row + 3] = finish(s, row + 3, sum[3]);
}

/* The rows left over, which are in plain order; biases are counted from row `bias`. */
static inline void finish_rows(const nnom_dense_t *p, uint32_t row, uint32_t bias, const int8_t *wt,
                               const int8_t *in, int8_t *out)
{
    for (; row < p->rows; row++, bias++) {
        int32_t sum = nnom_start(&p->scale, bias);
        for (uint32_t c = 0; c < p->columns; c++) {
            sum += in[c] * *wt++;
        }
        out[row] = finish(&p->scale, row, sum);
    }
}

#endif
