/* SPDX-License-Identifier: Apache-2.0
 * Max pooling of int8 data: two by two cells at once, four channels at a time. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "bytes.h"

#include "../window.h"

/* The same two by two cells of the windows of `count` pixels. right, down: from a cell to the next,
 * 0 where there is none; step: from a pixel's to the next pixel's. */
typedef struct {
    uint32_t count, step, channels, right, down;
} cells_t;

/* Up to four channels of a pixel, one after the other. */
static int8_t *pool_bytes(const cells_t *k, const int8_t *a, int8_t *out, uint32_t channels,
                          bool joins)
{
    for (; channels > 0; channels--, a++, out++) {
        int32_t most = joins ? *out : INT8_MIN;
        const int8_t *const cells[4] = {a, a + k->right, a + k->down, a + k->right + k->down};
        for (uint32_t c = 0; c < 4; c++) {
            most = *cells[c] > most ? *cells[c] : most;
        }
        *out = (int8_t)most;
    }
    return out;
}

/* Their largest, and of what out has if it joins. */
static inline __attribute__((always_inline)) void pool_cells(const cells_t *k, const int8_t *cells,
                                                             int8_t *out, bool joins)
{
    const uint32_t words = k->channels / 4, left = k->channels % 4;
    for (uint32_t count = k->count; count > 0; count--, cells += k->step) {
        const int8_t *a = cells, *b = a + k->right, *c = a + k->down, *d = b + k->down;
        for (uint32_t n = words; n > 0; n--, a += 4, b += 4, c += 4, d += 4, out += 4) {
            uint32_t most = nnom_largest(nnom_load4(a), nnom_load4(b));
            most = nnom_largest(most, nnom_load4(c));
            most = nnom_largest(most, nnom_load4(d));
            nnom_store4(out, joins ? nnom_largest(most, nnom_load4(out)) : most);
        }
        if (left > 0) {
            out = pool_bytes(k, a, out, left, joins);
        }
    }
}

static __attribute__((noinline)) void pool_first(const cells_t *k, const int8_t *cells, int8_t *out)
{
    pool_cells(k, cells, out, false);
}

static __attribute__((noinline)) void pool_next(const cells_t *k, const int8_t *cells, int8_t *out)
{
    pool_cells(k, cells, out, true);
}

void nnom_maxpool_s8_dsp(const nnom_window_t *window, const int8_t *in, int8_t *out)
{
    const nnom_window_t copy = *window, *w = &copy; /* which no store can change */
    const uint32_t channels = w->channels, row = w->in_x * channels;
    cells_t k = {1, w->stride_x * channels, channels, 0, 0};
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i += k.count, out += k.count * channels) {
            const nnom_span_t x = nnom_clip_x(w, i);
            k.count = 1;
            if (y.first >= y.last || x.first >= x.last) {
                nnom_memset(out, INT8_MAX, channels); /* NNoM's result for a window with no taps */
                continue;
            }
            if (x.first == 0 && x.last == w->kernel_x) { /* and windows after it */
                const uint32_t room = (uint32_t)(w->in_x - w->kernel_x - x.base);
                const uint32_t inside = room / w->stride_x + 1;
                k.count = inside < w->out_x - i ? inside : w->out_x - i;
            }
            for (int32_t m = y.first; m < y.last; m += 2) {
                k.down = m + 1 < y.last ? row : 0;
                for (int32_t n = x.first; n < x.last; n += 2) {
                    k.right = n + 1 < x.last ? channels : 0;
                    const int8_t *cells =
                        in + (y.base + m) * (int32_t)row + (x.base + n) * (int32_t)channels;
                    if (m == y.first && n == x.first) {
                        pool_first(&k, cells, out);
                    } else {
                        pool_next(&k, cells, out);
                    }
                }
            }
        }
    }
}

#endif
