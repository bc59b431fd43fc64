/* SPDX-License-Identifier: Apache-2.0
 * Transposed convolution of int8 data, gathered for each output: tap m of the kernel brings input
 * row (oy + pad - m * dilation) / stride where that divides. Sums have 64 bits. */
#include "../gather.h"
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

/* One output pixel. */
static APART void filters_of(const nnom_conv_t *p, const int8_t *in, const hits_t *y, const hits_t *x,
                             int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const nnom_scale_t scale = p->scale; /* which no store can change */
    const int32_t channels = w->channels, row = w->in_x * channels;
    const int32_t row_of_weights = w->kernel_x * channels;
    const uint32_t size = (uint32_t)(w->kernel_y * row_of_weights), filters = p->filters;
    const int32_t columns = x->count, cells = x->back * channels, taps = x->step * channels;
    const int32_t rows = y->count, up = y->back * row, down = y->step * row_of_weights;
    const int8_t *first = in + y->cell * row + x->cell * channels;
    const int8_t *wt = p->weights + y->first * row_of_weights + x->first * channels;
    for (uint32_t f = 0; f < filters; f++, wt += size) {
        int64_t sum = nnom_start_wide(&scale, f);
        for (int32_t m = 0; m < rows; m++) {
            const int8_t *cell = first - m * up, *tap = wt + m * down;
            for (int32_t n = columns; n > 0; n--, cell -= cells, tap += taps) {
                sum += nnom_dot(cell, tap, (uint32_t)channels, 0);
            }
        }
        out[f] = narrowed(&scale, f, sum);
    }
}

void nnom_conv_trans_s8_plain(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    for (int32_t oy = 0; oy < w->out_y; oy++) {
        const hits_t y = hits_of(oy + w->pad_y, w->kernel_y, w->dilation_y, w->stride_y, w->in_y);
        for (int32_t ox = 0; ox < w->out_x; ox++, out += p->filters) {
            const hits_t x =
                hits_of(ox + w->pad_x, w->kernel_x, w->dilation_x, w->stride_x, w->in_x);
            filters_of(p, in, &y, &x, out);
        }
    }
}
