/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of int8 data. */
#include "../requantise.h"
#include "../window.h"

size_t nnom_depthwise_s8_plain_scratch(const nnom_conv_t *p)
{
    (void)p;
    return 0;
}

void nnom_depthwise_s8_plain(const nnom_conv_t *parameters, const int8_t *in, int8_t *out)
{
    const nnom_conv_t copy = *parameters, *p = &copy; /* which no store can change */
    const nnom_window_t *w = &p->window;
    const int32_t channels = w->channels, filters = p->filters;
    const int32_t multiplier = filters / channels;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++) {
            const nnom_span_t x = nnom_clip_x(w, i);
            const bool is_padded = p->pad_value != 0 && nnom_leaves_image(w, y, x);
            for (int32_t f = 0; f < filters; f++) {
                int32_t sum = nnom_start(&p->scale, (uint32_t)f);
                if (is_padded) {
                    sum += p->pad_value *
                           nnom_sum_outside(w, y, x, p->weights + f, 1, p->filters);
                }
                for (int32_t m = y.first; m < y.last; m++) {
                    const int8_t *cell =
                        in + f / multiplier +
                        ((y.base + m * w->dilation_y) * w->in_x + x.base) * channels;
                    const int8_t *wt = p->weights + m * w->kernel_x * filters + f;
                    for (int32_t n = x.first; n < x.last; n++) {
                        sum += cell[n * w->dilation_x * channels] * wt[n * filters];
                    }
                }
                *out++ = nnom_finish_s8(&p->scale, (uint32_t)f, sum);
            }
        }
    }
}
