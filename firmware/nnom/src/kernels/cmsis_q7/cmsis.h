/* SPDX-License-Identifier: Apache-2.0
 * CMSIS-NN's q7 functions (CMSIS 5): NNoM's arithmetic, one shift for all channels. */
#ifndef NNOM_CMSIS_Q7_H
#define NNOM_CMSIS_Q7_H

#include "arm_nnfunctions.h"

#include "../kernels.h"

/* Where they round as we do: both switches cut off, or none. */
#if defined(NNOM_TRUNCATE) == defined(ARM_NN_TRUNCATE)
#define ROUNDS_ALIKE true
#else
#define ROUNDS_ALIKE false
#endif

/* What a q7 function can be told of. */
static inline bool can_scale(const nnom_scale_t *s)
{
    return ROUNDS_ALIKE && s->bias != NULL && !s->per_channel;
}

static inline bool can_slide(const nnom_conv_t *p)
{
    const nnom_window_t *w = &p->window;
    return can_scale(&p->scale) && p->scratch != NULL && p->pad_value == 0 && w->dilation_x == 1 &&
           w->dilation_y == 1;
}

static inline void finish(const nnom_scale_t *s, int8_t *out, uint32_t n)
{
    if (s->relu) {
        nnom_relu_s8(out, n);
    }
}

/* The arguments that all convolutions share. */
#define CONVOLUTION_ARGUMENTS(p, in, out)                                                          \
    in, (p)->window.in_x, (p)->window.in_y, (p)->window.channels, (p)->weights, (p)->filters,      \
        (p)->window.kernel_x, (p)->window.kernel_y, (p)->window.pad_x, (p)->window.pad_y,          \
        (p)->window.stride_x, (p)->window.stride_y, (p)->scale.bias,                               \
        (uint16_t)(p)->scale.bias_shift[0], (uint16_t)(p)->scale.out_shift[0], out,                \
        (p)->window.out_x, (p)->window.out_y, (int16_t *)(p)->scratch, NULL

static inline uint32_t results_of(const nnom_conv_t *p)
{
    return (uint32_t)p->window.out_x * p->window.out_y * p->filters;
}

/* two windows of int16 */
static inline size_t bytes_of_windows(const nnom_conv_t *p)
{
    return 4 * (size_t)p->window.kernel_x * p->window.kernel_y * p->window.channels;
}

static inline size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
