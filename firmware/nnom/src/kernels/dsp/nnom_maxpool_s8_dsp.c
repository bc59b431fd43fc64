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

/* Their largest, channels in fours: 13 instructions for each four. r1, r3, r4, r5 the cells, r2 the
 * result, r6 words left and r11 words of a pixel, r12 from behind a pixel's cells to the next's, lr
 * pixels left. */
NNOM_NAKED static void pool_words(const cells_t *k NNOM_UNSEEN, const int8_t *cells NNOM_UNSEEN,
                                  int8_t *out NNOM_UNSEEN)
{
    __asm__("push   {r4-r11, lr}\n"
            "ldm    r0, {r3, r4, r6, r7, r8}\n"
            "mov    lr, r3\n"
            "sub    r12, r4, r6\n"
            "lsr    r11, r6, #2\n"
            "add    r3, r1, r7\n"
            "add    r4, r1, r8\n"
            "add    r5, r3, r8\n"
            "0:\n"
            "mov    r6, r11\n"
            "1:\n"
            "ldr    r7, [r1], #4\n"
            "ldr    r8, [r3], #4\n"
            "ldr    r9, [r4], #4\n"
            "ldr    r10, [r5], #4\n"
            "ssub8  r0, r7, r8\n"
            "sel    r7, r7, r8\n"
            "ssub8  r0, r9, r10\n"
            "sel    r9, r9, r10\n"
            "ssub8  r0, r7, r9\n"
            "sel    r7, r7, r9\n"
            "str    r7, [r2], #4\n"
            "subs   r6, r6, #1\n"
            "bne    1b\n"
            "add    r1, r1, r12\n"
            "add    r3, r3, r12\n"
            "add    r4, r4, r12\n"
            "add    r5, r5, r12\n"
            "subs   lr, lr, #1\n"
            "bne    0b\n"
            "pop    {r4-r11, pc}\n");
}

/* The largest of them and of what out has. */
static __attribute__((noinline)) void pool_more(const cells_t *k, const int8_t *cells, int8_t *out)
{
    const uint32_t words = k->channels / 4, left = k->channels % 4;
    for (uint32_t count = k->count; count > 0; count--, cells += k->step) {
        const int8_t *a = cells, *b = a + k->right, *c = a + k->down, *d = b + k->down;
        for (uint32_t n = words; n > 0; n--, a += 4, b += 4, c += 4, d += 4, out += 4) {
            uint32_t most = nnom_largest(nnom_load4(a), nnom_load4(b));
            most = nnom_largest(most, nnom_load4(c));
            most = nnom_largest(most, nnom_load4(d));
            nnom_store4(out, nnom_largest(most, nnom_load4(out)));
        }
        for (uint32_t n = left; n > 0; n--, out++) {
            const int32_t first = *a > *b ? *a : *b, second = *c > *d ? *c : *d;
            const int32_t most = first > second ? first : second;
            *out = (int8_t)(most > *out ? most : *out);
            a++, b++, c++, d++;
        }
    }
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
                    const bool is_first = m == y.first && n == x.first;
                    if (is_first && channels % 4 == 0) {
                        pool_words(&k, cells, out);
                        continue;
                    }
                    if (is_first) {
                        nnom_memset(out, INT8_MIN, k.count * channels);
                    }
                    pool_more(&k, cells, out);
                }
            }
        }
    }
}

#endif
