/* SPDX-License-Identifier: Apache-2.0
 * Transposed convolution of int8 data, gathered: tap m of the kernel brings input row
 * (y + pad - m * dilation) / stride to output row y where that divides. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "pixel.h"

/* The taps that meet cells of the image: m, m + step..., where stride divides step * dilation. */
static nnom_taps_t taps_of(int32_t at, int32_t kernel, int32_t dilation, int32_t stride, int32_t size)
{
    int32_t step = 1;
    while (step * dilation % stride != 0) {
        step++;
    }
    nnom_taps_t t = {0, step, 0, -(step * dilation / stride), 0};
    for (; t.tap < kernel; t.tap++) {
        const int32_t cell = at - t.tap * dilation;
        if (cell >= 0 && cell % stride == 0 && cell / stride < size) {
            t.cell = cell / stride;
            break;
        }
    }
    for (int32_t m = t.tap, cell = t.cell; m < kernel && cell >= 0; m += step, cell += t.cell_step) {
        t.count++;
    }
    return t;
}

/* Do sums fit 32 bits, which the results must not show? */
static bool sums_fit(const nnom_conv_t *p)
{
    const nnom_scale_t *s = &p->scale;
    const uint32_t scales = s->bias == NULL ? 0 : s->per_channel ? p->filters : 1;
    for (uint32_t k = 0; k < scales; k++) {
        if (s->bias_shift[k] > 22) {
            return false;
        }
    }
    const uint32_t taps = (uint32_t)p->window.kernel_x * p->window.kernel_y;
    return taps <= 32768u / p->window.channels;
}

void nnom_conv_trans_s8_mve(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    if (!sums_fit(p)) {
        nnom_conv_trans_s8_plain(p, in, out);
        return;
    }
    for (int32_t j = 0; j < w->out_y; j++) {
        const nnom_taps_t y = taps_of(j + w->pad_y, w->kernel_y, w->dilation_y, w->stride_y, w->in_y);
        for (int32_t i = 0; i < w->out_x; i++, out += p->filters) {
            const nnom_taps_t x = taps_of(i + w->pad_x, w->kernel_x, w->dilation_x, w->stride_x,
                                          w->in_x);
            nnom_mve_pixel(p, in, &y, &x, 0, out);
        }
    }
}

#endif
