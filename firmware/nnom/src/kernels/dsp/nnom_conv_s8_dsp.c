/* SPDX-License-Identifier: Apache-2.0
 * Convolution of int8 data: the windows of two pixels are gathered into scratch, then two filters
 * at a time meet both (block.h). Pixels that have no partner, and all where there is no scratch,
 * are taken from the image, four filters at a time. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "block.h"
#include "few.h"
#include "rows.h"

#include "../window.h"

/* as each has many registers in use */
#define NOT_INLINED __attribute__((noinline))

typedef struct {
    nnom_conv_t p; /* a copy, which no store can change */
    const int8_t *in;
    uint32_t taps;
    int32_t last_x, last_y; /* where a window can begin to lie in the image */
} conv_t;

/* A pixel of the result, by the first cell of its window, which may lie outside the image. */
typedef struct {
    int32_t y, x;
    uint32_t left; /* pixels of its row, with itself */
} pixel_t;

static pixel_t first_pixel(const conv_t *k)
{
    const nnom_window_t *w = &k->p.window;
    const pixel_t at = {-w->pad_y, -w->pad_x, w->out_x};
    return at;
}

/* count: not beyond the end of the row */
static inline void next_pixel(const conv_t *k, pixel_t *at, uint32_t count)
{
    const nnom_window_t *w = &k->p.window;
    at->x += (int32_t)(count * w->stride_x);
    at->left -= count;
    if (at->left == 0) {
        at->left = w->out_x;
        at->x = -w->pad_x;
        at->y += w->stride_y;
    }
}

/* Where the window begins in the image, if all of it lies there. */
static const int8_t *inside(const conv_t *k, const pixel_t *at)
{
    if (at->y < 0 || at->y > k->last_y || at->x < 0 || at->x > k->last_x) {
        return NULL;
    }
    return k->in + (at->y * k->p.window.in_x + at->x) * k->p.window.channels;
}

static nnom_span_t clip_x(const nnom_window_t *w, const pixel_t *at)
{
    const uint32_t out = (uint32_t)(at->x + w->pad_x);
    return nnom_clip(out, 1, w->pad_x, w->kernel_x, w->dilation_x, w->in_x);
}

static nnom_span_t clip_y(const nnom_window_t *w, const pixel_t *at)
{
    const uint32_t out = (uint32_t)(at->y + w->pad_y);
    return nnom_clip(out, 1, w->pad_y, w->kernel_y, w->dilation_y, w->in_y);
}

/* ---- two pixels in scratch ------------------------------------------------------------------- */

/* t of the window of pixel 0 or 1; taps of a window that are in quads: whole */
static inline void put_tap(int16_t *patch, uint32_t pixel, uint32_t whole, uint32_t t,
                           int32_t value)
{
    patch[t < whole ? t / 4 * 8 + pixel * 4 + (t & 1u) * 2 + (t >> 1 & 1u) : t * 2 + pixel] =
        (int16_t)value;
}

/* One window, some of which may lie outside the image. */
static NOT_INLINED void gather(const conv_t *k, uint32_t pixel, const pixel_t *at)
{
    const nnom_window_t *w = &k->p.window;
    const nnom_span_t y = clip_y(w, at), x = clip_x(w, at);
    const int32_t channels = w->channels, width = x.last - x.first;
    const bool has_rows = w->dilation_x == 1;
    const uint32_t run = (uint32_t)(has_rows ? channels * width : channels);
    const uint32_t whole = k->taps - k->taps % 4;
    int16_t *const patch = (int16_t *)k->p.scratch;
    uint32_t *const lane = (uint32_t *)k->p.scratch + pixel * 2;
    if (nnom_leaves_image(w, y, x)) {
        const uint32_t pair = (uint32_t)(k->p.pad_value & 0xFFFF) * 0x10001u;
        for (uint32_t *dst = lane, *const end = lane + whole; dst != end; dst += 4) {
            dst[0] = pair;
            dst[1] = pair;
        }
        for (uint32_t t = whole; t < k->taps; t++) {
            put_tap(patch, pixel, whole, t, k->p.pad_value);
        }
    }
    for (int32_t m = y.first; m < y.last; m++) {
        const int8_t *src = k->in + ((y.base + m * w->dilation_y) * w->in_x + x.base +
                                     x.first * w->dilation_x) *
                                        channels;
        uint32_t t = (uint32_t)((m * w->kernel_x + x.first) * channels);
        for (int32_t n = has_rows ? width > 0 : width; n > 0; n--) {
            const uint32_t end = t + run;
            while (t < end) {
                if (t % 4 == 0 && t + 4 <= end) {
                    uint32_t *dst = lane + t;
                    const int8_t *const stop = src + ((end - t) & ~3u);
                    t += (uint32_t)(stop - src);
                    for (; src != stop; src += 4) {
                        NNOM_EXPAND(dst, nnom_load4(src), 16);
                    }
                } else {
                    put_tap(patch, pixel, whole, t, *src);
                    t++;
                    src++;
                }
            }
            src += (w->dilation_x - 1) * channels;
        }
    }
}

/* The last n of at least n cells before end, 1 to 3, as the low bytes of a word. */
static inline uint32_t last_cells(const int8_t *end, uint32_t n, bool has_four)
{
    if (has_four) {
        return nnom_load4(end - 4) >> (32 - 8 * n);
    }
    uint32_t cells = (uint8_t)end[-1];
    for (uint32_t c = 2; c <= n; c++) {
        cells = cells << 8 | (uint8_t)end[-(int32_t)c];
    }
    return cells;
}

/* Both windows, a and b, from inside the image: runs of n cells. Cells left over of one, so many
 * bits of them, wait in held for the next. */
static NOT_INLINED void gather_both(const conv_t *k, const int8_t *a, const int8_t *b)
{
    const nnom_window_t *w = &k->p.window;
    const bool has_rows = w->dilation_x == 1;
    const uint32_t n = has_rows ? (uint32_t)w->kernel_x * w->channels : w->channels, left = n % 4;
    const uint32_t across = has_rows ? 1 : w->kernel_x;
    const int32_t step = w->dilation_x * w->channels;
    const int32_t wrap = w->dilation_y * w->in_x * w->channels - (int32_t)across * step;
    const int32_t apart = b - a;
    uint32_t *dst = (uint32_t *)k->p.scratch;
    uint32_t held_a = 0, held_b = 0, bits = 0, until = across;
    for (uint32_t runs = w->kernel_y * across; runs > 0; runs--) {
        const int8_t *src = a, *const end = a + n - left;
        if (bits == 0) {
            for (; src != end; src += 4) {
                NNOM_EXPAND(dst, nnom_load4(src), 8);
                NNOM_EXPAND(dst, nnom_load4(src + apart), 8);
            }
        } else {
            for (; src != end; src += 4) {
                const uint32_t next_a = nnom_load4(src), next_b = nnom_load4(src + apart);
                NNOM_EXPAND(dst, held_a | next_a << bits, 8);
                NNOM_EXPAND(dst, held_b | next_b << bits, 8);
                held_a = next_a >> (32 - bits);
                held_b = next_b >> (32 - bits);
            }
        }
        if (left > 0) {
            const uint32_t next_a = last_cells(end + left, left, n >= 4);
            const uint32_t next_b = last_cells(end + left + apart, left, n >= 4);
            held_a |= next_a << bits;
            held_b |= next_b << bits;
            bits += 8 * left;
            if (bits >= 32) {
                NNOM_EXPAND(dst, held_a, 8);
                NNOM_EXPAND(dst, held_b, 8);
                bits -= 32;
                held_a = next_a >> (8 * left - bits);
                held_b = next_b >> (8 * left - bits);
            }
        }
        a += step;
        until--;
        if (until == 0) {
            until = across;
            a += wrap;
        }
    }
    for (; bits > 0; bits -= 8, held_a >>= 8, held_b >>= 8) {
        *dst++ = (uint16_t)(int8_t)held_a | (uint32_t)(int8_t)held_b << 16;
    }
}

static void gather_pair(const conv_t *k, const pixel_t *a, const pixel_t *b)
{
    const int8_t *first = inside(k, a), *second = inside(k, b);
    if (first != NULL && second != NULL) {
        gather_both(k, first, second);
    } else {
        gather(k, 0, a);
        gather(k, 1, b);
    }
}

/* the last filter of an odd number */
static void convolve_pair_once(const conv_t *k, uint32_t f, int8_t *out)
{
    const nnom_conv_t *p = &k->p;
    const uint32_t *x = (const uint32_t *)p->scratch;
    const int8_t *wt = p->weights + f * k->taps;
    int32_t a = nnom_start(&p->scale, f), b = a;
    uint32_t left = k->taps;
    for (; left >= 4; left -= 4, wt += 4, x += 4) {
        const uint32_t bytes = nnom_load4(wt), even = nnom_even(bytes), odd = nnom_odd(bytes);
        a = nnom_mac2(odd, x[1], nnom_mac2(even, x[0], a));
        b = nnom_mac2(odd, x[3], nnom_mac2(even, x[2], b));
    }
    for (; left > 0; left--, wt++, x++) {
        a += (int16_t)*x * *wt;
        b += (int16_t)(*x >> 16) * *wt;
    }
    out[0] = nnom_finish(&p->scale, f, a);
    out[p->filters] = nnom_finish(&p->scale, f, b);
}

static NOT_INLINED void convolve_pair(const conv_t *k, nnom_block_t *b, int8_t *out)
{
    const nnom_scale_t *s = &k->p.scale;
    const uint32_t filters = k->p.filters & ~1u, taps = k->taps;
    const uint32_t *const data = (const uint32_t *)k->p.scratch;
    const int8_t *wt = k->p.weights;
    b->out = out;
    if (s->bias == NULL || s->per_channel) {
        for (uint32_t f = 0; f < filters; f += 2, wt += 2 * taps) {
            b->out_shift[0] = nnom_out_shift(s, f);
            b->out_shift[1] = nnom_out_shift(s, f + 1);
            nnom_block(wt, nnom_start(s, f), data, nnom_start(s, f + 1), b);
        }
    } else {
        const int8_t *bias = s->bias, *const end = bias + filters;
        const int32_t bias_shift = s->bias_shift[0], round = nnom_round(s->out_shift[0]);
        b->out_shift[0] = b->out_shift[1] = s->out_shift[0];
        for (; bias != end; bias += 2, wt += 2 * taps) {
            nnom_block(wt, nnom_scale_up(bias[0], bias_shift) + round, data,
                       nnom_scale_up(bias[1], bias_shift) + round, b);
        }
    }
    if (filters < k->p.filters) {
        convolve_pair_once(k, filters, out + filters);
    }
}

/* ---- one pixel from the image ---------------------------------------------------------------- */

static NOT_INLINED void convolve_in_place(const conv_t *k, const pixel_t *at, int8_t *out)
{
    const nnom_conv_t *p = &k->p;
    const nnom_window_t *w = &p->window;
    const nnom_span_t y = clip_y(w, at), x = clip_x(w, at);
    const int32_t channels = w->channels, width = x.last > x.first ? x.last - x.first : 0;
    const bool is_padded = p->pad_value != 0 && nnom_leaves_image(w, y, x);
    const bool has_runs = w->dilation_x == 1; /* of cells that lie side by side */
    const uint32_t run = (uint32_t)(has_runs ? channels * width : channels);
    const int32_t runs = has_runs ? width > 0 : width;
    const int32_t step_x = w->dilation_x * channels, step_y = w->dilation_y * w->in_x * channels;
    const int8_t *const first =
        k->in + (y.base * w->in_x + x.base + x.first * w->dilation_x) * channels;
    uint32_t together;
    for (uint32_t f = 0; f < p->filters; f += together) {
        const int8_t *filter = p->weights + f * k->taps;
        together = p->filters - f < 4 ? 1 : 4;
        int32_t sum[4];
        for (uint32_t c = 0; c < together; c++) {
            sum[c] = nnom_start(&p->scale, f + c);
            if (is_padded) {
                sum[c] += p->pad_value *
                          nnom_sum_outside(w, y, x, filter + c * k->taps, w->channels, 1);
            }
        }
        for (int32_t m = y.first; m < y.last; m++) {
            const int8_t *cells = first + m * step_y;
            const int8_t *wt = filter + (m * w->kernel_x + x.first) * channels;
            for (int32_t n = 0; n < runs; n++, cells += step_x, wt += channels) {
                if (together == 4) {
                    nnom_dsp_four_rows(cells, wt, run, k->taps, sum);
                } else {
                    sum[0] = nnom_dot(cells, wt, run, sum[0]);
                }
            }
        }
        for (uint32_t c = 0; c < together; c++) {
            out[f + c] = nnom_finish(&p->scale, f + c, sum[c]);
        }
    }
}

/* ---- one pixel of few taps ------------------------------------------------------------------- */

/* Windows of few taps have their records in that part of the result which is written last. */
static NOT_INLINED nnom_record_t *records_of(const conv_t *k, int8_t *out, uint32_t pixels)
{
    const uint32_t size = k->p.filters * sizeof(nnom_record_t);
    if (k->taps > NNOM_FEW || pixels < 3 * sizeof(nnom_record_t)) {
        return NULL;
    }
    int8_t *at = out + pixels * k->p.filters - size;
    at -= (uintptr_t)at % sizeof(uint32_t);
    nnom_record_t *records = (nnom_record_t *)at;
    for (uint32_t f = 0; f < k->p.filters; f++) {
        records[f].start = nnom_start(&k->p.scale, f);
        records[f].out_shift = nnom_out_shift(&k->p.scale, f);
        const int8_t *wt = k->p.weights + f * k->taps;
        for (uint32_t t = 0; t < 5; t++) {
            static const uint8_t lows[5] = {0, 1, 4, 5, 8};
            const uint32_t low = lows[t], high = low + 2;
            records[f].pairs[t] = (low < k->taps ? (uint16_t)wt[low] : 0u) |
                                  (high < k->taps ? (uint32_t)wt[high] << 16 : 0u);
        }
    }
    return records;
}

static void gather_few(const conv_t *k, const pixel_t *at, int8_t taps[NNOM_FEW])
{
    const nnom_window_t *w = &k->p.window;
    const nnom_span_t y = clip_y(w, at), x = clip_x(w, at);
    const int32_t channels = w->channels;
    nnom_memset(taps, k->p.pad_value, NNOM_FEW);
    for (int32_t m = y.first; m < y.last; m++) {
        const int8_t *row = k->in + (y.base + m * w->dilation_y) * w->in_x * channels;
        for (int32_t n = x.first; n < x.last; n++) {
            int8_t *tap = taps + (m * w->kernel_x + n) * channels;
            const int8_t *cell = row + (x.base + n * w->dilation_x) * channels;
            for (int32_t c = channels; c > 0; c--) {
                *tap++ = *cell++;
                __asm__(""); /* or GCC calls memcpy */
            }
        }
    }
}

/* As many pixels as do not reach the records; returns how many. */
static NOT_INLINED uint32_t convolve_few(const conv_t *k, const nnom_record_t *records, pixel_t *at,
                                         int8_t *out)
{
    const nnom_window_t *w = &k->p.window;
    const uint32_t filters = k->p.filters, row = (uint32_t)w->kernel_x * w->channels;
    const uint32_t pixels = (uint32_t)((const int8_t *)records - out) / filters;
    const bool has_three_rows = row == 3 && w->kernel_y == 3 && w->dilation_x == 1;
    int8_t taps[NNOM_FEW];
    uint32_t count;
    for (uint32_t n = pixels; n > 0; n -= count, out += count * filters) {
        const int8_t *src = has_three_rows ? inside(k, at) : NULL;
        int32_t step_y = w->dilation_y * w->in_x * w->channels;
        count = 1;
        if (src != NULL) { /* and the pixels after it */
            count = (uint32_t)(k->last_x - at->x) / w->stride_x + 1;
            count = count > at->left ? at->left : count;
            count = count > n ? n : count;
        } else {
            gather_few(k, at, taps);
            src = taps;
            step_y = 3;
        }
        (k->p.scale.relu ? nnom_few_filters_relu : nnom_few_filters)(
            records, records + filters, out, src, step_y, w->stride_x * w->channels, count,
            filters & 1u);
        next_pixel(k, at, count);
    }
    return pixels;
}

/* ---------------------------------------------------------------------------------------------- */

static uint32_t taps_of(const nnom_conv_t *p)
{
    return (uint32_t)p->window.kernel_x * p->window.kernel_y * p->window.channels;
}

size_t nnom_conv_s8_dsp_scratch(const nnom_conv_t *p)
{
    return (size_t)taps_of(p) * 2 * sizeof(int16_t);
}

void nnom_conv_s8_dsp(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const conv_t held = {*p, in, taps_of(p), w->in_x - (w->kernel_x - 1) * w->dilation_x - 1,
                         w->in_y - (w->kernel_y - 1) * w->dilation_y - 1};
    const conv_t *k = &held;
    const uint32_t pixels = (uint32_t)w->out_x * w->out_y, filters = p->filters;
    const nnom_record_t *records = records_of(k, out, pixels);
    pixel_t a = first_pixel(k);
    uint32_t n = records == NULL ? 0 : convolve_few(k, records, &a, out);
    out += n * filters;
    if (p->scratch != NULL) {
        nnom_block_t block = nnom_block_of(k->taps, p->scale.relu, filters);
        for (; n + 2 <= pixels; n += 2, out += 2 * filters) {
            pixel_t b = a;
            next_pixel(k, &b, 1);
            gather_pair(k, &a, &b);
            convolve_pair(k, &block, out);
            next_pixel(k, &b, 1);
            a = b;
        }
    }
    for (; n < pixels; n++, out += filters) {
        convolve_in_place(k, &a, out);
        next_pixel(k, &a, 1);
    }
}

#endif
