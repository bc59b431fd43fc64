/* SPDX-License-Identifier: Apache-2.0
 * Fully connected, weights in the order "x4". A form includes its finish.h, defines dot_group(),
 * which returns the next group's weights, then includes this. */
#ifndef NNOM_DENSE_X4_GROUPS_H
#define NNOM_DENSE_X4_GROUPS_H

#include "dense_groups.h"

static inline void dense_x4(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const uint32_t grouped = p->rows & ~3u;
    const int8_t *wt = p->weights;
    for (uint32_t r = 0; r < grouped; r += 4) {
        int32_t sum[4];
        start_group(&p->scale, r, sum);
        wt = dot_group(in, wt, p->columns, sum);
        finish_group(&p->scale, r, sum, out);
    }
    finish_rows(p, grouped, nnom_bias_of_rest(grouped), wt, in, out);
}

#endif
