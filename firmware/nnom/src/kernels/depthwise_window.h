/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution, window by window: in the image where the window lies inside, else gathered
 * first, so that the products look at no border. A form includes its finish.h, defines dot_3(), then
 * includes this. */
#ifndef NNOM_DEPTHWISE_WINDOW_H
#define NNOM_DEPTHWISE_WINDOW_H

#include "gather.h"
#include "requantise.h"

/* Biases and shifts of one filter after another; up: the shift of its bias, -1 without. */
typedef struct {
    const int8_t *bias;
    const int32_t *bias_shift, *out_shift;
    int32_t up, shift, round;
    bool per_channel, relu;
} ends_t;

static inline void look_up(ends_t *e, uint32_t i)
{
    e->shift = e->out_shift[i];
    e->round = nnom_round(e->shift);
    e->up = e->bias == NULL ? -1 : e->bias_shift[i];
}

static inline ends_t ends_of(const nnom_scale_t *s)
{
    ends_t e = {.bias = s->bias, .bias_shift = s->bias_shift, .out_shift = s->out_shift,
                .per_channel = s->per_channel, .relu = s->relu};
    look_up(&e, 0);
    return e;
}

static inline int32_t start_of(const ends_t *e, uint32_t f)
{
    return e->up < 0 ? e->round : e->round + nnom_scale_up(e->bias[f], e->up);
}

static inline void put_result(const ends_t *e, int32_t sum, int8_t *out)
{
    int32_t value = sum >> e->shift;
    value = e->relu ? clamped_relu(value) : clamped(value);
    *out = (int8_t)value;
}

/* One filter a channel, three rows of three, each `row` bytes after the one before. */
static __attribute__((noinline)) void filters_3x3(const nnom_conv_t *p, const int8_t *x0,
                                                  uint32_t row, int8_t *out)
{
    ends_t e = ends_of(&p->scale);
    const uint32_t filters = p->filters;
    const int8_t *x1 = x0 + row, *x2 = x1 + row;
    const int8_t *w0 = p->weights, *w1 = w0 + 3 * filters, *w2 = w1 + 3 * filters;
    for (uint32_t f = 0; f < filters; f++) {
        if (e.per_channel) {
            look_up(&e, f);
        }
        int32_t sum = start_of(&e, f);
        sum = dot_3(&x0, &w0, filters, sum);
        sum = dot_3(&x1, &w1, filters, sum);
        sum = dot_3(&x2, &w2, filters, sum);
        put_result(&e, sum, out + f);
    }
}

/* All taps of a filter, whose channel's data are at x. */
static __attribute__((noinline)) int32_t dot_window(const nnom_conv_t *p, const int8_t *x,
                                                    const int8_t *w, uint32_t row)
{
    const uint32_t filters = p->filters, channels = p->window.channels;
    const uint32_t row_of_x = p->window.kernel_x * channels;
    int32_t sum = 0;
    for (uint32_t m = p->window.kernel_y; m > 0; m--, x += row) {
        if (filters == channels) { /* data and weights have the same steps */
            for (uint32_t i = 0; i < row_of_x; i += channels) {
                sum += x[i] * w[i];
            }
            w += row_of_x;
        } else {
            for (uint32_t i = 0; i < row_of_x; i += channels, w += filters) {
                sum += x[i] * *w;
            }
        }
    }
    return sum;
}

static __attribute__((noinline)) void filters_of_window(const nnom_conv_t *p, const int8_t *x,
                                                        uint32_t row, int8_t *out)
{
    ends_t e = ends_of(&p->scale);
    const uint32_t multiplier = p->filters / p->window.channels;
    uint32_t left = multiplier;
    for (uint32_t f = 0; f < p->filters; f++) {
        if (e.per_channel) {
            look_up(&e, f);
        }
        put_result(&e, start_of(&e, f) + dot_window(p, x, p->weights + f, row), out + f);
        if (--left == 0) {
            left = multiplier, x++;
        }
    }
}

static inline size_t bytes_of_window(const nnom_conv_t *p)
{
    return (size_t)p->window.kernel_x * p->window.kernel_y * p->window.channels;
}

static inline void depthwise(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const uint32_t channels = w->channels;
    int8_t *const scratch = (int8_t *)p->scratch;
    const bool is_3x3 = w->kernel_x == 3 && w->kernel_y == 3 && p->filters == channels;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++, out += p->filters) {
            const nnom_span_t x = nnom_clip_x(w, i);
            const int8_t *cell = scratch;
            uint32_t row = w->kernel_x * channels;
            if (w->dilation_x > 1 || nnom_leaves_image(w, y, x)) {
                gather(scratch, p, in, y, x);
            } else {
                cell = in + ((uint32_t)y.base * w->in_x + (uint32_t)x.base) * channels;
                row = (uint32_t)w->dilation_y * w->in_x * channels;
            }
            if (is_3x3) {
                filters_3x3(p, cell, row, out);
            } else {
                filters_of_window(p, cell, row, out);
            }
        }
    }
}

#endif
