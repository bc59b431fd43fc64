/* SPDX-License-Identifier: Apache-2.0
 * Transposed convolution of int8 data, gathered for each output: tap m of the kernel brings input
 * row (oy + pad - m * dilation) / stride where that divides. Sums have 64 bits. */
#include "../kernels.h"
#include "dot.h"

/* The taps of one direction that bring something: first, and each `step` behind it. */
typedef struct {
    int32_t first, step, count;
    int32_t cell, back; /* the cell that the first one brings; how far the next lies before it */
} hits_t;

static hits_t hits_of(int32_t at, int32_t kernel, int32_t dilation, int32_t stride, int32_t size)
{
    hits_t hits = {0, 1, 0, 0, 0};
    for (int32_t m = 0; m < kernel; m++) {
        const int32_t position = at - m * dilation;
        if (position < 0) {
            break;
        }
        if (position % stride != 0 || position / stride >= size) {
            continue;
        }
        if (hits.count == 0) {
            hits.first = m, hits.cell = position / stride;
        } else if (hits.count == 1) {
            hits.step = m - hits.first, hits.back = hits.cell - position / stride;
        }
        hits.count++;
    }
    return hits;
}

static int8_t narrowed(const nnom_scale_t *s, uint32_t f, int64_t sum)
{
    const int64_t value = sum >> nnom_out_shift(s, f);
    const int8_t narrow = nnom_sat_s8((int32_t)(uint32_t)(uint64_t)value); /* from 32 bits */
    return s->relu && narrow < 0 ? 0 : narrow;
}

void nnom_conv_trans_s8_plain(const nnom_conv_t *parameters, const int8_t *in, int8_t *out)
{
    const nnom_conv_t held = *parameters, *p = &held; /* which no store can change */
    const nnom_window_t *w = &p->window;
    const int32_t channels = w->channels, row_of_weights = w->kernel_x * channels;
    const uint32_t size = (uint32_t)(w->kernel_y * row_of_weights);
    for (int32_t oy = 0; oy < w->out_y; oy++) {
        const hits_t y = hits_of(oy + w->pad_y, w->kernel_y, w->dilation_y, w->stride_y, w->in_y);
        for (int32_t ox = 0; ox < w->out_x; ox++) {
            const hits_t x =
                hits_of(ox + w->pad_x, w->kernel_x, w->dilation_x, w->stride_x, w->in_x);
            const int8_t *wt = p->weights + y.first * row_of_weights + x.first * channels;
            for (uint32_t f = 0; f < p->filters; f++, wt += size) {
                int64_t sum = nnom_start_wide(&p->scale, f);
                for (int32_t m = 0; m < y.count; m++) {
                    const int8_t *cell = in + ((y.cell - m * y.back) * w->in_x + x.cell) * channels;
                    const int8_t *tap = wt + m * y.step * row_of_weights;
                    for (int32_t n = x.count; n > 0; n--) {
                        sum += nnom_dot(cell, tap, w->channels, 0);
                        cell -= x.back * channels;
                        tap += x.step * channels;
                    }
                }
                *out++ = narrowed(&p->scale, f, sum);
            }
        }
    }
}
