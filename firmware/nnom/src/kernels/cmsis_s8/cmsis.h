/* SPDX-License-Identifier: Apache-2.0
 * CMSIS-NN's s8 functions. They scale a sum by multiplier / 2^31 * 2^shift, rounded twice. With
 *
 *     multiplier = 2^(31 - out_shift),  shift = 0
 *
 * the first step is floor(sum / 2^out_shift + 1/2), which is our rounding, and the second does
 * nothing. Sums wrap at 32 bits in both. */
#ifndef NNOM_CMSIS_S8_H
#define NNOM_CMSIS_S8_H

#include "arm_nnfunctions.h"

#include "../requantise.h"

#if defined(NNOM_TRUNCATE)
#define ROUNDS_ALIKE false
#else
#define ROUNDS_ALIKE true
#endif

/* Multipliers, shifts and biases of n channels, in this order, before what a function works in. */
typedef struct {
    int32_t *multiplier, *shift, *bias;
} scaled_t;

static inline size_t bytes_scaled(uint32_t n)
{
    return 3 * sizeof(int32_t) * (size_t)n;
}

/* A shift of nothing would need a multiplier of 2^31. */
static inline bool can_scale(const nnom_scale_t *s, uint32_t n)
{
    bool can = ROUNDS_ALIKE;
    for (uint32_t i = 0; i < (s->per_channel ? n : 1) && can; i++) {
        can = s->out_shift[i] > 0;
    }
    return can;
}

static inline scaled_t scaled(const nnom_scale_t *s, uint32_t n, int32_t *room)
{
    const scaled_t to = {room, room + n, room + 2 * n};
    for (uint32_t i = 0; i < n; i++) {
        to.multiplier[i] = (int32_t)(1u << (31 - nnom_out_shift(s, i)));
        to.shift[i] = 0;
        to.bias[i] = s->bias == NULL
                         ? 0
                         : nnom_scale_up(s->bias[i], s->bias_shift[i * s->per_channel]);
    }
    return to;
}

static inline cmsis_nn_activation limits(const nnom_scale_t *s)
{
    const cmsis_nn_activation a = {s->relu ? 0 : INT8_MIN, INT8_MAX};
    return a;
}

/* The shapes of a convolution, and where it begins. */
typedef struct {
    cmsis_nn_dims in, filter, bias, out;
    cmsis_nn_tile stride, padding, dilation;
} shapes_t;

static inline shapes_t shapes_of(const nnom_conv_t *p)
{
    const nnom_window_t *w = &p->window;
    const shapes_t s = {
        .in = {1, w->in_y, w->in_x, w->channels},
        .filter = {p->filters, w->kernel_y, w->kernel_x, w->channels},
        .bias = {1, 1, 1, p->filters},
        .out = {1, w->out_y, w->out_x, p->filters},
        .stride = {w->stride_x, w->stride_y},
        .padding = {w->pad_x, w->pad_y},
        .dilation = {w->dilation_x, w->dilation_y},
    };
    return s;
}

static inline bool can_slide(const nnom_conv_t *p)
{
    return p->scratch != NULL && p->pad_value == 0 && can_scale(&p->scale, p->filters);
}

static inline size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
