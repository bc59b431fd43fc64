/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights in the order "x4": of the four words of a tile, bytes 0 and 2,
 * and 1 and 3, are a pair of columns of one row, and so are they of x. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "dot.h"

#define PAIRS(x, weights, first, second)          \
    "sxtb16 lr, " weights "\n"                    \
    "sxtb16 " weights ", " weights ", ror #8\n"   \
    "smlad  " first ", " x ", lr, " first "\n"    \
    "smlad  " second ", " x ", " weights ", " second "\n"

#define TILE                                      \
    "ldr    r4, [r0], #4\n"                       \
    "ldmia  r1!, {r5, r6, r7, r12}\n"             \
    "sxtb16 r9, r4, ror #8\n"                     \
    "sxtb16 r4, r4\n"                             \
    PAIRS("r4", "r5", "r3", "r8") PAIRS("r4", "r6", "r10", "r11") \
    PAIRS("r9", "r7", "r3", "r8") PAIRS("r9", "r12", "r10", "r11")

/* Tiles one after the other, 20 instructions for 16 products; weights at a multiple of 4. r0 x, r1
 * weights, r3, r8, r10, r11 sums, r4 and r9 four of x. Returns what is behind the weights. */
NNOM_NAKED static const int8_t *tiles_of(
    const int8_t *x NNOM_UNSEEN, const int8_t *weights NNOM_UNSEEN,
    uint32_t tiles NNOM_UNSEEN, int32_t sum[4] NNOM_UNSEEN)
{
    __asm__("push   {r2, r3, r4-r11, lr}\n"
            "ldm    r3, {r3, r8, r10, r11}\n"
            "lsrs   r2, r2, #1\n"
            "beq    2f\n"
            "1:\n" TILE TILE
            "subs   r2, r2, #1\n"
            "bne    1b\n"
            "2:\n"
            "ldr    r2, [sp]\n"
            "tst    r2, #1\n"
            "beq    3f\n" TILE
            "3:\n"
            "ldr    r2, [sp, #4]\n"
            "stm    r2, {r3, r8, r10, r11}\n"
            "mov    r0, r1\n"
            "pop    {r2, r3, r4-r11, pc}\n");
}

static const int8_t *tiles_anywhere(const int8_t *x, const int8_t *wt, uint32_t tiles,
                                    int32_t sum[4])
{
    for (; tiles > 0; tiles--, x += 4, wt += 16) {
        nnom_dot_tile(x, wt, sum);
    }
    return wt;
}

void nnom_dense_x4_s8_dsp(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const nnom_scale_t *s = &p->scale;
    const uint32_t columns = p->columns, tiles = columns / 4, grouped = p->rows - p->rows % 4u;
    const int8_t *wt = p->weights;
    const bool is_aligned = ((uintptr_t)wt & 3u) == 0;
    for (uint32_t r = 0; r < grouped; r += 4) {
        int32_t sum[4];
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] = nnom_start(s, r + k);
        }
        wt = (is_aligned ? tiles_of : tiles_anywhere)(in, wt, tiles, sum);
        for (uint32_t c = tiles * 4; c < columns; c++, wt += 4) {
            for (uint32_t k = 0; k < 4; k++) {
                sum[k] += in[c] * wt[k];
            }
        }
        for (uint32_t k = 0; k < 4; k++) {
            out[r + k] = nnom_finish(s, r + k, sum[k]);
        }
    }
    const uint32_t tail = nnom_bias_of_rest(grouped);
    for (uint32_t r = grouped; r < p->rows; r++, wt += columns) {
        out[r] = nnom_finish(s, r, nnom_dot(in, wt, columns, nnom_start(s, r - grouped + tail)));
    }
}

#endif
