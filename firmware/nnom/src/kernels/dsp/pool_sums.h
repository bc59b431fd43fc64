/* SPDX-License-Identifier: Apache-2.0
 * Sums of the taps of each window, four channels at a time: SXTAB16 adds two bytes to two int16. */
#ifndef NNOM_DSP_POOL_SUMS_H
#define NNOM_DSP_POOL_SUMS_H

#include "dot.h"

#include "../window.h"

#define NNOM_MOST_TAPS 256 /* whose sum fits int16: 256 * -128 */

/* The cells of a window that lie in the image. */
typedef struct {
    const int8_t *first;
    int32_t rows, columns;
    uint32_t row, channels; /* elements from one to the next */
} nnom_cells_t;

static __attribute__((noinline)) void nnom_sum_four(const nnom_cells_t *cells, uint32_t channel,
                                                    int32_t sum[4])
{
    const uint32_t step = cells->channels;
    const int8_t *line = cells->first + channel;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    uint32_t even = 0, odd = 0;
    uint32_t room = NNOM_MOST_TAPS;
    for (int32_t m = cells->rows; m > 0; m--, line += cells->row) {
        const int8_t *cell = line;
        for (uint32_t left = (uint32_t)cells->columns; left > 0;) {
            uint32_t n = left < room ? left : room;
            left -= n;
            room -= n;
            for (; n >= 2; n -= 2, cell += 2 * step) {
                const uint32_t first = nnom_load4(cell), second = nnom_load4(cell + step);
                nnom_add_pairs(&even, &odd, first);
                nnom_add_pairs(&even, &odd, second);
            }
            if (n > 0) {
                nnom_add_pairs(&even, &odd, nnom_load4(cell));
                cell += step;
            }
            if (room == 0) {
                s0 += (int16_t)even;
                s1 += (int16_t)odd;
                s2 += (int32_t)even >> 16;
                s3 += (int32_t)odd >> 16;
                even = odd = 0;
                room = NNOM_MOST_TAPS;
            }
        }
    }
    sum[0] = s0 + (int16_t)even;
    sum[1] = s1 + (int16_t)odd;
    sum[2] = s2 + ((int32_t)even >> 16);
    sum[3] = s3 + ((int32_t)odd >> 16);
}

static __attribute__((noinline)) int32_t nnom_sum_one(const nnom_cells_t *cells, uint32_t channel)
{
    const int8_t *line = cells->first + channel;
    int32_t sum = 0;
    for (int32_t m = 0; m < cells->rows; m++, line += cells->row) {
        for (int32_t n = 0; n < cells->columns; n++) {
            sum += line[n * (int32_t)cells->channels];
        }
    }
    return sum;
}

/* What is done with n sums, 1 or 4, of so many taps, that begin at out. */
typedef void nnom_sums_fn(void *context, const int32_t *sum, uint32_t n, uint32_t taps,
                          int8_t *out);

static inline __attribute__((always_inline)) void nnom_for_sums(const nnom_window_t *w,
                                                                const int8_t *in, int8_t *out,
                                                                nnom_sums_fn *use, void *context)
{
    nnom_cells_t cells = {in, 0, 0, w->in_x * (uint32_t)w->channels, w->channels};
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++, out += cells.channels) {
            const nnom_span_t x = nnom_clip_x(w, i);
            cells.rows = y.last > y.first ? y.last - y.first : 0;
            cells.columns = x.last > x.first ? x.last - x.first : 0;
            cells.first = in + ((y.base + y.first) * w->in_x + x.base + x.first) * w->channels;
            const uint32_t taps = (uint32_t)(cells.rows * cells.columns);
            uint32_t c = 0;
            for (; c + 4 <= cells.channels; c += 4) {
                int32_t sum[4];
                nnom_sum_four(&cells, c, sum);
                use(context, sum, 4, taps, out + c);
            }
            for (; c < cells.channels; c++) {
                const int32_t sum = nnom_sum_one(&cells, c);
                use(context, &sum, 1, taps, out + c);
            }
        }
    }
}

#endif
