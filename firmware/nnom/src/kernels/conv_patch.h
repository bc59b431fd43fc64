/* SPDX-License-Identifier: Apache-2.0
 * Convolution by windows that are gathered first. A form includes its dot.h, then this. */
#ifndef NNOM_CONV_PATCH_H
#define NNOM_CONV_PATCH_H

#include "gather.h"

/* One output pixel from a gathered window of size bytes. */
static APART void convolve_patch(const nnom_conv_t *p, const int8_t *patch, uint32_t size,
                                 int8_t *out)
{
    const nnom_scale_t *s = &p->scale;
    const int8_t *wt = p->weights;
    uint32_t f = 0;
    for (; f + 4 <= p->filters; f += 4, wt += 4 * size) {
        int32_t sum[4] = {nnom_start(s, f), nnom_start(s, f + 1), nnom_start(s, f + 2),
                          nnom_start(s, f + 3)};
        nnom_dot_4_rows(patch, wt, size, sum);
        out[f] = nnom_finish(s, f, sum[0]);
        out[f + 1] = nnom_finish(s, f + 1, sum[1]);
        out[f + 2] = nnom_finish(s, f + 2, sum[2]);
        out[f + 3] = nnom_finish(s, f + 3, sum[3]);
    }
    for (; f < p->filters; f++, wt += size) {
        out[f] = nnom_finish(s, f, nnom_dot(patch, wt, size, nnom_start(s, f)));
    }
}

/* One output pixel straight from the image. */
static APART void convolve_in_place(const nnom_conv_t *p, const int8_t *in, nnom_span_t y,
                                    nnom_span_t x, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const uint32_t channels = w->channels, size = (uint32_t)w->kernel_x * w->kernel_y * channels;
    const bool is_padded = p->pad_value != 0 && nnom_leaves_image(w, y, x);
    for (uint32_t f = 0; f < p->filters; f++) {
        const int8_t *filter = p->weights + f * size;
        int32_t sum = nnom_start(&p->scale, f);
        if (is_padded) {
            sum += p->pad_value * nnom_sum_outside(w, y, x, filter, channels, 1);
        }
        for (int32_t m = y.first; m < y.last; m++) {
            const int8_t *row = in + (y.base + m * w->dilation_y) * w->in_x * (int32_t)channels;
            const int8_t *wt = filter + (uint32_t)m * w->kernel_x * channels;
            for (int32_t n = x.first; n < x.last; n++) {
                sum = nnom_dot(row + (x.base + n * w->dilation_x) * (int32_t)channels,
                               wt + (uint32_t)n * channels, channels, sum);
            }
        }
        out[f] = nnom_finish(&p->scale, f, sum);
    }
}

static inline size_t bytes_of_patch(const nnom_conv_t *p)
{
    return (size_t)p->window.kernel_x * p->window.kernel_y * p->window.channels;
}

static inline void convolve(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const uint32_t size = (uint32_t)bytes_of_patch(p);
    int8_t *const patch = (int8_t *)p->scratch;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++, out += p->filters) {
            const nnom_span_t x = nnom_clip_x(w, i);
            if (patch != NULL) {
                gather(patch, p, in, y, x);
                convolve_patch(p, patch, size, out);
            } else {
                convolve_in_place(p, in, y, x, out);
            }
        }
    }
}

#endif
