/* SPDX-License-Identifier: Apache-2.0
 * Convolution of int8 data. Windows are gathered three at a time, whatever rows of the image they lie
 * in, then four filters at once go over the three. Windows that lie in one piece in the image (1 x 1,
 * or one row high) are read there. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "../window.h"
#include "dots.h"

static uint32_t bytes_of_window(const nnom_window_t *w)
{
    return (uint32_t)w->kernel_x * w->kernel_y * w->channels;
}

static int32_t reach(uint16_t kernel, uint16_t dilation)
{
    return (kernel - 1) * dilation + 1;
}

/* Are windows inside the image one piece of it? */
static bool is_one_piece(const nnom_window_t *w)
{
    return w->dilation_x == 1 &&
           (w->kernel_y == 1 || (w->kernel_x == w->in_x && w->dilation_y == 1));
}

static bool all_inside(const nnom_window_t *w)
{
    return w->pad_x == 0 && w->pad_y == 0 &&
           (w->out_x - 1) * w->stride_x + reach(w->kernel_x, w->dilation_x) <= w->in_x &&
           (w->out_y - 1) * w->stride_y + reach(w->kernel_y, w->dilation_y) <= w->in_y;
}

/* Where the last cell of a window lies, from its first. */
static uint32_t span_of(const nnom_window_t *w)
{
    return (uint32_t)(((w->kernel_y - 1) * w->dilation_y * w->in_x +
                       (w->kernel_x - 1) * w->dilation_x + 1) *
                          w->channels -
                      1);
}

/* Small windows of few channels are gathered by a table of offsets, a byte each. */
static bool has_table(const nnom_window_t *w)
{
    return w->channels < 4 && span_of(w) <= UINT8_MAX;
}

size_t nnom_conv_s8_mve_scratch(const nnom_conv_t *p)
{
    const nnom_window_t *w = &p->window;
    if (is_one_piece(w) && all_inside(w)) {
        return 0;
    }
    return (size_t)bytes_of_window(w) * (has_table(w) ? 4 : 3);
}

static void make_table(const nnom_window_t *w, uint8_t *table)
{
    for (uint32_t m = 0; m < w->kernel_y; m++) {
        for (uint32_t n = 0; n < w->kernel_x; n++) {
            for (uint32_t c = 0; c < w->channels; c++) {
                *table++ = (uint8_t)((m * w->dilation_y * w->in_x + n * w->dilation_x) *
                                         w->channels +
                                     c);
            }
        }
    }
}

static inline void gather_by_table(int8_t *patch, const int8_t *from, const uint8_t *table,
                                   uint32_t n)
{
    __asm__ volatile("dlstp.8 lr, %3\n"
                     "1: vldrb.8 q0, [%1], #16\n"
                     "vldrb.u8 q1, [%2, q0]\n"
                     "vstrb.8 q1, [%0], #16\n"
                     "letp lr, 1b\n"
                     : "+r"(patch), "+r"(table)
                     : "r"(from), "r"(n)
                     : "lr", "q0", "q1", "memory");
}

/* Copies the taps of a window that are inside the image; `from` is its first cell. */
static void gather(const nnom_window_t *w, int8_t *patch, const int8_t *from, nnom_span_t y,
                   nnom_span_t x)
{
    const int32_t channels = w->channels, row = w->kernel_x * channels;
    const int32_t down = w->dilation_y * w->in_x * channels;
    const uint32_t taps = (uint32_t)(x.last - x.first);
    patch += y.first * row + x.first * channels;
    from += y.first * down + x.first * w->dilation_x * channels;
    for (int32_t m = y.first; m < y.last; m++, patch += row, from += down) {
        if (w->dilation_x == 1) {
            nnom_copy(patch, from, taps * w->channels);
            continue;
        }
        for (uint32_t n = 0; n < taps; n++) {
            nnom_copy(patch + n * w->channels, from + n * w->dilation_x * w->channels,
                      w->channels);
        }
    }
}

/* All filters of d's three windows. */
static void filter(const nnom_conv_t *p, nnom_mve_dots_t *d, int8_t *const out[3])
{
    const nnom_scale_t *s = &p->scale;
    const uint32_t filters = p->filters, size = d->size;
    const int32x4_t least = vdupq_n_s32(nnom_least(s)), most = vdupq_n_s32(INT8_MAX);
    if (filters < 4) { /* a row four times */
        d->apart = 0;
        for (uint32_t f = 0; f < filters; f++) {
            d->weights = p->weights + f * size;
            for (uint32_t k = 0; k < 4; k++) {
                d->start[k] = nnom_start(s, f);
            }
            nnom_mve_dots_4x3(d);
            for (uint32_t k = 0; k < 3; k++) {
                out[k][f] = nnom_finish_s8(s, f, d->sum[k][0]);
            }
        }
        return;
    }
    d->apart = size;
    for (uint32_t f = 0;;) {
        d->weights = p->weights + f * size;
        vstrwq_s32(d->start, nnom_starts(s, f));
        nnom_mve_dots_4x3(d);
        const int32x4_t right = vnegq_s32(nnom_shifts(s, s->out_shift, f));
        for (uint32_t k = 0; k < 3; k++) {
            nnom_store_4(out[k] + f, vldrwq_s32(d->sum[k]), right, least, most);
        }
        if (f + 4 == filters) {
            break;
        }
        f = f + 8 <= filters ? f + 4 : filters - 4; /* the last four, some of them again */
    }
}

/* One output pixel straight from the image. */
static void filter_in_place(const nnom_conv_t *p, const int8_t *in, nnom_span_t y, nnom_span_t x,
                            int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const nnom_scale_t *s = &p->scale;
    const int32_t channels = w->channels;
    const uint32_t size = bytes_of_window(w), filters = p->filters;
    const bool is_padded = p->pad_value != 0 && nnom_leaves_image(w, y, x);
    const bool has_rows = w->dilation_x == 1;
    const uint32_t at_once = filters < 4 ? 1 : 4;
    nnom_mve_dots_t d;
    d.apart = at_once == 1 ? 0 : size;
    d.size = (uint32_t)channels * (has_rows && x.last > x.first ? (uint32_t)(x.last - x.first) : 1);
    for (uint32_t f = 0; f < filters; f += at_once) {
        f = f + at_once <= filters ? f : filters - at_once;
        const int8_t *filter = p->weights + f * size;
        for (uint32_t k = 0; k < at_once; k++) {
            d.sum[0][k] = nnom_start(s, f + k);
            if (is_padded) {
                d.sum[0][k] += p->pad_value * nnom_sum_outside(w, y, x, filter + k * size,
                                                               (uint32_t)channels, 1);
            }
        }
        for (int32_t m = y.first; m < y.last; m++) {
            for (int32_t n = x.first; n < x.last; n = has_rows ? x.last : n + 1) {
                d.weights = filter + (m * w->kernel_x + n) * channels;
                d.window[0] = in + ((y.base + m * w->dilation_y) * w->in_x + x.base +
                                    n * w->dilation_x) *
                                       channels;
                nnom_mve_dots_4x1(&d);
            }
        }
        for (uint32_t k = 0; k < at_once; k++) {
            out[f + k] = nnom_finish_s8(s, f + k, d.sum[0][k]);
        }
    }
}

void nnom_conv_s8_mve(const nnom_conv_t *parameters, const int8_t *in, int8_t *out)
{
    const nnom_conv_t held = *parameters, *p = &held; /* which no store can change */
    const nnom_window_t *w = &p->window;
    const bool one_piece = is_one_piece(w);
    const bool is_bare = p->scratch == NULL && !(one_piece && all_inside(w));
    int8_t *const patches = (int8_t *)p->scratch;
    nnom_mve_dots_t d;
    d.size = bytes_of_window(w);
    uint8_t *const table = has_table(w) && patches != NULL ? (uint8_t *)patches + 3 * d.size : NULL;
    if (table != NULL) {
        make_table(w, table);
    }
    const int32_t inside_x = w->in_x - reach(w->kernel_x, w->dilation_x);
    int8_t *results[3];
    uint32_t k = 0; /* windows that wait for their filters */
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        const bool is_inside_y = y.first == 0 && y.last == w->kernel_y;
        int32_t base = -w->pad_x;
        for (uint32_t i = 0; i < w->out_x; i++, base += w->stride_x, out += p->filters) {
            if (is_bare) {
                filter_in_place(p, in, y, nnom_clip_x(w, i), out);
                continue;
            }
            const bool is_inside = is_inside_y && base >= 0 && base <= inside_x;
            const int8_t *from = in + (y.base * w->in_x + base) * w->channels;
            int8_t *patch = patches + k * d.size;
            d.window[k] = patch;
            if (is_inside && one_piece) {
                d.window[k] = from;
            } else if (is_inside && table != NULL) {
                gather_by_table(patch, from, table, d.size);
            } else if (is_inside) {
                gather(w, patch, from, y, (nnom_span_t){base, 0, w->kernel_x});
            } else {
                nnom_fill(patch, p->pad_value, d.size);
                gather(w, patch, from, y, nnom_clip_x(w, i));
            }
            results[k] = out;
            if (++k == 3) {
                filter(p, &d, results);
                k = 0;
            }
        }
    }
    if (k > 0) { /* the others of three are the first once more */
        for (; k < 3; k++) {
            d.window[k] = d.window[0];
            results[k] = results[0];
        }
        filter(p, &d, results);
    }
}

#endif
