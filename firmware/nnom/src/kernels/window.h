/* SPDX-License-Identifier: Apache-2.0
 * What of a window lies inside its image, in one direction. */
#ifndef NNOM_WINDOW_H
#define NNOM_WINDOW_H

#include "kernels.h"

/* The window starts at cell base; its taps [first, last) are cells of the image. */
typedef struct {
    int32_t base;
    int32_t first, last;
} nnom_span_t;

static inline nnom_span_t nnom_clip(uint32_t out, uint16_t stride, uint16_t pad, uint16_t kernel,
                                    uint16_t dilation, uint16_t size)
{
    nnom_span_t s = {(int32_t)(out * stride) - pad, 0, kernel};
    if (s.base < 0) {
        s.first = (-s.base + dilation - 1) / dilation;
    }
    if (s.base + (kernel - 1) * dilation >= size) {
        s.last = s.base >= size ? 0 : (size - 1 - s.base) / dilation + 1;
    }
    return s;
}

static inline nnom_span_t nnom_clip_x(const nnom_window_t *w, uint32_t out)
{
    return nnom_clip(out, w->stride_x, w->pad_x, w->kernel_x, w->dilation_x, w->in_x);
}

static inline nnom_span_t nnom_clip_y(const nnom_window_t *w, uint32_t out)
{
    return nnom_clip(out, w->stride_y, w->pad_y, w->kernel_y, w->dilation_y, w->in_y);
}

static inline bool nnom_leaves_image(const nnom_window_t *w, nnom_span_t y, nnom_span_t x)
{
    return y.first > 0 || x.first > 0 || y.last < w->kernel_y || x.last < w->kernel_x;
}

/* Sum of those weights whose taps leave the image: channels of each tap, `apart` elements from one
 * to the next. */
static inline int32_t nnom_sum_outside(const nnom_window_t *w, nnom_span_t y, nnom_span_t x,
                                       const int8_t *weights, uint32_t channels, uint32_t apart)
{
    int32_t sum = 0;
    for (int32_t m = 0; m < w->kernel_y; m++) {
        for (int32_t n = 0; n < w->kernel_x; n++) {
            const bool inside = m >= y.first && m < y.last && n >= x.first && n < x.last;
            for (uint32_t c = 0; c < channels; c++, weights += apart) {
                sum += inside ? 0 : *weights;
            }
        }
    }
    return sum;
}

#endif
