/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights in the order "x4": sixteen columns of four rows at once. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "dots.h"

/* Where the columns of row 0 lie in four tiles; rows 1 to 3 are 1, 4 and 5 bytes further. */
static const uint8_t columns_at[16] = {0,  8,  2,  10, 16, 24, 18, 26,
                                       32, 40, 34, 42, 48, 56, 50, 58};

/* The columns behind the last sixteen: tiles, then single columns of four rows. */
static void add_rest(int32_t sum[4], const int8_t *in, const int8_t *wt, uint32_t columns)
{
    const uint32_t tiles = columns / 4, single = columns % 4;
    const uint8x16_t at = vldrbq_u8(columns_at), apart = vshlq_n_u8(vidupq_n_u8(0, 1), 2);
    mve_pred16_t some = vctp8q(4 * tiles);
    int8x16_t x = vldrbq_z_s8(in, some);
    for (uint32_t k = 0; k < 4; k++) {
        const int8_t *row = wt + (k & 1) + 2 * (k & 2);
        sum[k] = vmladavaq_s8(sum[k], x, vldrbq_gather_offset_z_s8(row, at, some));
    }
    if (single == 0) {
        return;
    }
    wt += 16 * tiles;
    some = vctp8q(single);
    x = vldrbq_z_s8(in + 4 * tiles, some);
    for (uint32_t k = 0; k < 4; k++) {
        sum[k] = vmladavaq_s8(sum[k], x, vldrbq_gather_offset_z_s8(wt + k, apart, some));
    }
}

void nnom_dense_x4_s8_mve(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const uint32_t columns = p->columns, rows = p->rows, rest = columns % 16;
    const nnom_scale_t *s = &p->scale;
    nnom_mve_rows_t d = {.weights = p->weights, .size = columns / 16, .window = in};
    nnom_scale_4_t scale = nnom_scale_4(s);
    int32x4_t right = vdupq_n_s32(scale.right);
    uint32_t r = 0;
    for (; r + 4 <= rows; r += 4, d.weights += 4 * columns) {
        vstrwq_s32(d.sum, nnom_start_4(&scale, &right));
        if (d.size > 0) {
            nnom_mve_dots_x4(&d);
        }
        if (rest > 0) {
            add_rest(d.sum, in + 16 * d.size, d.weights + 64 * d.size, rest);
        }
        nnom_finish_4(vldrwq_s32(d.sum), right, scale.least, out + r);
    }
    const uint32_t first = r - nnom_bias_of_rest(r);
    for (; r < rows; r++, d.weights += columns) {
        const int32_t sum = nnom_mve_dot(in, d.weights, columns, nnom_start(s, r - first));
        out[r] = nnom_finish_s8(s, r, sum);
    }
}

#endif
