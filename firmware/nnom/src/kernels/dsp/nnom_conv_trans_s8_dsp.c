/* SPDX-License-Identifier: Apache-2.0
 * Transposed convolution of int8 data, gathered per output: the taps that meet a cell of the input
 * are every so many of the kernel's, and their cells lie side by side, backwards. Its sums are
 * those of 64 bits; where 32 might not hold them, the form in C runs. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "dot.h"
#include "rows.h"

/* In one direction. From one tap that meets a cell to the next: so many taps on, so many cells
 * back. */
typedef struct {
    int32_t kernel, stride, dilation, pad, size;
    int32_t taps_on, cells_back;
} axis_t;

/* The taps of one output: how many, the first of them, and its cell. */
typedef struct {
    int32_t count, tap, cell;
} meeting_t;

static axis_t axis_of(int32_t kernel, int32_t stride, int32_t dilation, int32_t pad, int32_t size)
{
    int32_t a = stride, b = dilation;
    while (b != 0) { /* a becomes their greatest common divisor */
        const int32_t rest = a % b;
        a = b;
        b = rest;
    }
    const axis_t axis = {kernel, stride, dilation, pad, size, stride / a, dilation / a};
    return axis;
}

static __attribute__((noinline)) meeting_t meeting_of(const axis_t *a, uint32_t out)
{
    meeting_t m = {0, 0, 0};
    int32_t at = (int32_t)out + a->pad;
    while (m.tap < a->kernel && at >= 0 && (at % a->stride != 0 || at / a->stride >= a->size)) {
        at -= a->dilation;
        m.tap++;
    }
    if (m.tap < a->kernel && at >= 0) {
        const int32_t taps = (a->kernel - 1 - m.tap) / a->taps_on;
        m.cell = at / a->stride;
        m.count = m.cell / a->cells_back;
        m.count = 1 + (m.count < taps ? m.count : taps);
    }
    return m;
}

static bool is_narrow(const nnom_conv_t *p, uint32_t window)
{
    const nnom_scale_t *s = &p->scale;
    for (uint32_t f = 0; f < (s->per_channel ? p->filters : 1); f++) {
        const int64_t bias = s->bias == NULL ? 0 : (int64_t)128 << s->bias_shift[f];
        if (bias + nnom_round(s->out_shift[f]) + ((int64_t)window << 14) > INT32_MAX) {
            return false;
        }
    }
    return true;
}

/* One pixel. */
static __attribute__((noinline)) void pixel_of(const nnom_conv_t *p, meeting_t y, meeting_t x,
                                               const axis_t axes[2], const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const int32_t channels = w->channels;
    const uint32_t window = (uint32_t)(w->kernel_x * w->kernel_y) * w->channels;
    const int8_t *const first = in + (y.cell * w->in_x + x.cell) * channels;
    const int8_t *const weights = p->weights + (y.tap * w->kernel_x + x.tap) * channels;
    uint32_t together;
    for (uint32_t f = 0; f < p->filters; f += together) {
        int32_t sum[4];
        together = p->filters - f < 4 ? 1 : 4;
        for (uint32_t k = 0; k < together; k++) {
            sum[k] = nnom_start(&p->scale, f + k);
        }
        const int8_t *row = first, *row_weights = weights + f * window;
        for (int32_t m = y.count; m > 0; m--) {
            const int8_t *cell = row, *wt = row_weights;
            for (int32_t n = x.count; n > 0; n--) {
                if (together == 4) {
                    nnom_dsp_four_rows(cell, wt, (uint32_t)channels, window, sum);
                } else {
                    sum[0] = nnom_dot(cell, wt, (uint32_t)channels, sum[0]);
                }
                cell -= axes[0].cells_back * channels;
                wt += axes[0].taps_on * channels;
            }
            row -= axes[1].cells_back * w->in_x * channels;
            row_weights += axes[1].taps_on * w->kernel_x * channels;
        }
        for (uint32_t k = 0; k < together; k++) {
            out[f + k] = nnom_finish(&p->scale, f + k, sum[k]);
        }
    }
}

void nnom_conv_trans_s8_dsp(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const axis_t axes[2] = {
        axis_of(w->kernel_x, w->stride_x, w->dilation_x, w->pad_x, w->in_x),
        axis_of(w->kernel_y, w->stride_y, w->dilation_y, w->pad_y, w->in_y),
    };
    if (!is_narrow(p, (uint32_t)(w->kernel_x * w->kernel_y) * w->channels)) {
        nnom_conv_trans_s8_plain(p, in, out);
        return;
    }
    for (uint32_t j = 0; j < w->out_y; j++) {
        const meeting_t y = meeting_of(&axes[1], j);
        for (uint32_t i = 0; i < w->out_x; i++, out += p->filters) {
            pixel_of(p, y, meeting_of(&axes[0], i), axes, in, out);
        }
    }
}

#endif
