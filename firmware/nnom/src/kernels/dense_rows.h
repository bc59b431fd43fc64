/* SPDX-License-Identifier: Apache-2.0
 * Fully connected, four rows at once. A form includes its dot.h, then this. */
#ifndef NNOM_DENSE_ROWS_H
#define NNOM_DENSE_ROWS_H

#include "kernels.h"

static inline void dense_by_rows(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const nnom_scale_t scale = p->scale, *s = &scale; /* which no store can change */
    const int8_t *wt = p->weights;
    uint32_t r = 0;
    for (; r + 4 <= p->rows; r += 4, wt += 4 * (uint32_t)p->columns) {
        int32_t sum[4];
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] = nnom_start(s, r + k);
        }
        nnom_dot_4_rows(in, wt, p->columns, sum);
        for (uint32_t k = 0; k < 4; k++) {
            out[r + k] = nnom_finish(s, r + k, sum[k]);
        }
    }
    for (; r < p->rows; r++, wt += p->columns) {
        out[r] = nnom_finish(s, r, nnom_dot(in, wt, p->columns, nnom_start(s, r)));
    }
}

/* Tiles of four columns, then the columns left over, each of rows 0 to 3; the rows left over are in
 * plain order. */
static inline void dense_by_tiles(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const nnom_scale_t scale = p->scale, *s = &scale; /* which no store can change */
    const uint32_t grouped = p->rows - p->rows % 4u;
    const int8_t *wt = p->weights;
    for (uint32_t r = 0; r < grouped; r += 4) {
        const int8_t *v = in;
        int32_t sum[4];
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] = nnom_start(s, r + k);
        }
        uint32_t columns = p->columns;
        for (; columns >= 4; columns -= 4, v += 4, wt += 16) {
            nnom_dot_tile(v, wt, sum);
        }
        for (; columns > 0; columns--, v++, wt += 4) {
            for (uint32_t k = 0; k < 4; k++) {
                sum[k] += *v * wt[k];
            }
        }
        for (uint32_t k = 0; k < 4; k++) {
            out[r + k] = nnom_finish(s, r + k, sum[k]);
        }
    }
    const uint32_t tail = nnom_bias_of_rest(grouped);
    for (uint32_t r = grouped; r < p->rows; r++, wt += p->columns) {
        out[r] = nnom_finish(s, r, nnom_dot(in, wt, p->columns, nnom_start(s, r - grouped + tail)));
    }
}

#endif
