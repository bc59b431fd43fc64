/* SPDX-License-Identifier: Apache-2.0
 * Sums over windows, of eight channels at once. */
#ifndef NNOM_MVE_SUMS_H
#define NNOM_MVE_SUMS_H

#include "../window.h"
#include "vectors.h"

#define NNOM_MOST_TAPS 255 /* whose sum fits 16 bits */

/* Cells of a window inside the image; rows or columns may be 0. */
typedef struct {
    const int8_t *first;
    int32_t rows, columns, across, down;
} nnom_cells_t;

static inline nnom_cells_t nnom_cells(const nnom_window_t *w, const int8_t *in, nnom_span_t y,
                                      nnom_span_t x)
{
    const int32_t across = w->channels, down = w->in_x * across;
    const nnom_cells_t cells = {in + (y.base + y.first) * down + (x.base + x.first) * across,
                                y.last > y.first ? y.last - y.first : 0,
                                x.last > x.first ? x.last - x.first : 0, across, down};
    return cells;
}

/* Sums of channels 0, 2, 4, 6 and of 1, 3, 5, 7. */
typedef struct {
    int32x4_t even, odd;
} nnom_sums_t;

/* Of rows > 0 and columns > 0, NNOM_MOST_TAPS at most; n: the channels that there are. */
static inline int16x8_t nnom_sum_taps(const nnom_cells_t *cells, const int8_t *row, int32_t rows,
                                      uint32_t n)
{
    const int8_t *cell;
    int16x8_t sum;
    __asm__ volatile("vctp.16 %[n]\n"
                     "vmov.i32 %q[sum], #0\n"
                     "1: mov %[cell], %[row]\n"
                     "dls lr, %[columns]\n"
                     "2: vpst\n"
                     "vldrbt.s16 q0, [%[cell]]\n"
                     "add %[cell], %[cell], %[across]\n"
                     "vadd.i16 %q[sum], %q[sum], q0\n"
                     "le lr, 2b\n"
                     "add %[row], %[row], %[down]\n"
                     "subs %[rows], %[rows], #1\n"
                     "bne 1b\n"
                     : [sum] "=&w"(sum), [cell] "=&l"(cell), [row] "+r"(row), [rows] "+r"(rows)
                     : [columns] "r"(cells->columns), [across] "r"(cells->across),
                       [down] "r"(cells->down), [n] "r"(n)
                     : "lr", "cc", "q0", "memory");
    return sum;
}

/* Of channels c to c + n - 1, n <= 8; columns <= NNOM_MOST_TAPS. */
static inline nnom_sums_t nnom_sums(const nnom_cells_t *cells, uint32_t c, uint32_t n)
{
    nnom_sums_t sums = {vdupq_n_s32(0), vdupq_n_s32(0)};
    const int8_t *row = cells->first + c;
    if (cells->columns == 0) {
        return sums;
    }
    const int32_t at_once = NNOM_MOST_TAPS / cells->columns;
    for (int32_t left = cells->rows; left > 0; left -= at_once, row += at_once * cells->down) {
        const int16x8_t some = nnom_sum_taps(cells, row, left < at_once ? left : at_once, n);
        sums.even = vaddq_s32(sums.even, vmovlbq_s16(some));
        sums.odd = vaddq_s32(sums.odd, vmovltq_s16(some));
    }
    return sums;
}

/* Do sums and what is done with them fit 32 bits? */
static inline bool nnom_sums_fit(const nnom_window_t *w)
{
    return w->kernel_x <= NNOM_MOST_TAPS && (uint32_t)w->kernel_x * w->kernel_y < 5792;
}

static inline void nnom_store_sums(int8_t *out, nnom_sums_t sums, uint32_t n)
{
    int16x8_t both = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), sums.even), sums.odd);
    both = vminq_s16(vmaxq_s16(both, vdupq_n_s16(INT8_MIN)), vdupq_n_s16(INT8_MAX));
    vstrbq_p_s16(out, both, vctp16q(n));
}

#endif
