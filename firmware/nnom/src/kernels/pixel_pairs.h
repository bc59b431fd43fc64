/* SPDX-License-Identifier: Apache-2.0
 * Convolution of two output pixels at once, for cores whose multiplier takes 32 bits and no lanes:
 * a word holds the same tap of both windows, so that one multiplication by a weight gives two
 * products. A form defines PAIR_BITS, how far the second tap is shifted, and PAIR_SIGN, 1 or -1, then
 * includes this. */
#ifndef NNOM_PIXEL_PAIRS_H
#define NNOM_PIXEL_PAIRS_H

#include "requantise.h"
#include "window.h"

/* What of a pixel's window lies inside the image. */
typedef struct {
    nnom_span_t y, x;
} place_t;

static inline uint32_t taps_of_window(const nnom_window_t *w)
{
    return (uint32_t)w->kernel_x * w->kernel_y * w->channels;
}

static inline int32_t pair_of(int32_t low, int32_t high)
{
    return PAIR_SIGN * (low + nnom_scale_up(high, PAIR_BITS));
}

/* n words from the taps of two windows */
static inline int32_t *put_pairs(int32_t *to, const int8_t *a, const int8_t *b, uint32_t n)
{
    for (; n >= 4; n -= 4, to += 4, a += 4, b += 4) {
        const int32_t p0 = pair_of(a[0], b[0]), p1 = pair_of(a[1], b[1]);
        const int32_t p2 = pair_of(a[2], b[2]), p3 = pair_of(a[3], b[3]);
        to[0] = p0, to[1] = p1, to[2] = p2, to[3] = p3;
    }
    if ((n & 2u) != 0) {
        const int32_t p0 = pair_of(a[0], b[0]), p1 = pair_of(a[1], b[1]);
        to[0] = p0, to[1] = p1;
        to += 2, a += 2, b += 2;
    }
    if ((n & 1u) != 0) {
        *to++ = pair_of(*a, *b);
    }
    return to;
}

static inline int32_t *fill_pairs(int32_t *to, int32_t value, uint32_t n)
{
    for (; n >= 4; n -= 4, to += 4) {
        to[0] = value, to[1] = value, to[2] = value, to[3] = value;
    }
    for (; n > 0; n--) {
        *to++ = value;
    }
    return to;
}

/* Adds one window's taps to words that hold pad_value already. */
static void add_window(const nnom_conv_t *p, const int8_t *in, const place_t *at, int32_t shift,
                       int32_t *words)
{
    const nnom_window_t *w = &p->window;
    const int32_t channels = w->channels, pad = p->pad_value;
    const bool is_dense = w->dilation_x == 1;
    const int32_t columns = at->x.last - at->x.first;
    const uint32_t run = (uint32_t)(is_dense ? columns * channels : channels);
    for (int32_t m = at->y.first; m < at->y.last; m++) {
        int32_t *to = words + (m * w->kernel_x + at->x.first) * channels;
        const int8_t *cell = in + ((at->y.base + m * w->dilation_y) * w->in_x + at->x.base +
                                   at->x.first * w->dilation_x) *
                                      channels;
        for (int32_t runs = is_dense ? columns > 0 : columns; runs > 0; runs--) {
            for (uint32_t c = 0; c < run; c++) {
                *to++ += PAIR_SIGN * nnom_scale_up(cell[c] - pad, shift);
            }
            cell += w->dilation_x * channels;
        }
    }
}

/* Words for the pixels at a and at b; b NULL: there is no second one. */
static void gather_pair(const nnom_conv_t *p, const int8_t *in, const place_t *a, const place_t *b,
                        int32_t *words)
{
    const nnom_window_t *w = &p->window;
    const uint32_t row = (uint32_t)w->kernel_x * w->channels;
    const int32_t pad = pair_of(p->pad_value, p->pad_value);
    if (b != NULL && a->y.base == b->y.base && w->dilation_x == 1 && a->x.first == 0 &&
        b->x.last == w->kernel_x && b->x.first == 0 && a->x.last == w->kernel_x) {
        const int32_t channels = w->channels, apart = (b->x.base - a->x.base) * channels;
        const int8_t *cell = in + ((a->y.base + a->y.first * w->dilation_y) * w->in_x + a->x.base) *
                                      channels;
        if (a->y.first > 0) {
            words = fill_pairs(words, pad, (uint32_t)a->y.first * row);
        }
        int32_t m = a->y.first;
        for (; m < a->y.last; m++) {
            words = put_pairs(words, cell, cell + apart, row);
            cell += w->dilation_y * w->in_x * channels;
        }
        if (m < w->kernel_y) {
            (void)fill_pairs(words, pad, (uint32_t)(w->kernel_y - m) * row);
        }
        return;
    }
    (void)fill_pairs(words, pad, row * w->kernel_y);
    add_window(p, in, a, 0, words);
    if (b != NULL) {
        add_window(p, in, b, PAIR_BITS, words);
    }
}

/* convolve_pair() is the form's: all filters of two pixels, of which b may be a. */
static inline void convolve_pairs(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const uint32_t size = taps_of_window(w), filters = p->filters;
    int32_t *const words = (int32_t *)p->scratch;
    uint32_t i = 0, j = 0;
    nnom_span_t y = nnom_clip_y(w, 0);
    for (uint32_t left = (uint32_t)w->out_x * w->out_y; left > 0;) {
        place_t at[2];
        const uint32_t pixels = left > 1 ? 2 : 1;
        for (uint32_t k = 0; k < pixels; k++, i++) {
            if (i == w->out_x) {
                i = 0, j++;
                y = nnom_clip_y(w, j);
            }
            at[k].y = y;
            at[k].x = nnom_clip_x(w, i);
        }
        gather_pair(p, in, at, pixels == 2 ? at + 1 : NULL, words);
        convolve_pair(p, words, size, out, pixels == 2 ? out + filters : out);
        out += 2 * filters, left -= pixels;
    }
}

#endif
