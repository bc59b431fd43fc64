/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights row by row: four rows at once. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "dots.h"

void nnom_dense_s8_mve(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const uint32_t columns = p->columns;
    uint32_t left = p->rows;
    nnom_mve_rows_t d = {.weights = p->weights, .apart = columns, .size = columns, .window = in};
    nnom_scale_4_t scale = nnom_scale_4(&p->scale);
    int32x4_t right = vdupq_n_s32(scale.right);
    if (left < 4) {
        for (uint32_t r = 0; r < left; r++, d.weights += columns) {
            const int32_t sum = nnom_mve_dot(in, d.weights, columns, nnom_start(&p->scale, r));
            out[r] = nnom_finish_s8(&p->scale, r, sum);
        }
        return;
    }
    for (; left > 0; left -= 4, out += 4, d.weights += 4 * columns) {
        if (left < 4) { /* the last four, some of them once more */
            nnom_scale_back(&scale, 4 - left);
            out -= 4 - left;
            d.weights -= (4 - left) * columns;
            left = 4;
        }
        vstrwq_s32(d.sum, nnom_start_4(&scale, &right));
        nnom_mve_dots_4x1(&d);
        nnom_finish_4(vldrwq_s32(d.sum), right, scale.least, out);
    }
}

#endif
