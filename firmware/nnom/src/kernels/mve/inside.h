/* SPDX-License-Identifier: Apache-2.0
 * Which windows of a row do not leave the image to the left or right. */
#ifndef NNOM_MVE_INSIDE_H
#define NNOM_MVE_INSIDE_H

#include "../window.h"

/* The first that begins inside, or out_x. */
static inline uint32_t nnom_inside_from(const nnom_window_t *w)
{
    const uint32_t first = ((uint32_t)w->pad_x + w->stride_x - 1) / w->stride_x;
    return first < w->out_x ? first : w->out_x;
}

/* The first that ends outside, or out_x. */
static inline uint32_t nnom_inside_to(const nnom_window_t *w)
{
    const int32_t room = w->in_x + w->pad_x - ((w->kernel_x - 1) * w->dilation_x + 1);
    const uint32_t first = room < 0 ? 0 : (uint32_t)room / w->stride_x + 1;
    return first < w->out_x ? first : w->out_x;
}

#endif
