/* SPDX-License-Identifier: Apache-2.0
 * One output pixel of a convolution, four filters at once. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "pixel.h"

/* Sum of the weights whose taps meet no cell. */
__attribute__((noinline)) static int32_t outside(const nnom_window_t *w, const nnom_taps_t *y,
                                                 const nnom_taps_t *x, const int8_t *filter)
{
    int32_t sum = 0;
    for (int32_t m = 0; m < w->kernel_y; m++) {
        for (int32_t n = 0; n < w->kernel_x; n++, filter += w->channels) {
            if (m < y->tap || m >= y->tap + y->count || n < x->tap || n >= x->tap + x->count) {
                sum = nnom_mve_sum(filter, w->channels, sum);
            }
        }
    }
    return sum;
}

void nnom_mve_pixel(const nnom_conv_t *p, const int8_t *in, const nnom_taps_t *y,
                    const nnom_taps_t *x, int8_t pad_value, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const int32_t channels = w->channels, kernel_x = w->kernel_x;
    const uint32_t size = (uint32_t)kernel_x * w->kernel_y * w->channels, filters = p->filters;
    const bool has_rows = x->tap_step == 1 && x->cell_step == 1; /* a row is one piece */
    const int32_t columns = has_rows && x->count > 0 ? 1 : x->count;
    const int32_t cell_step = x->cell_step * channels, tap_step = x->tap_step * channels;
    const uint32_t at_once = filters < 4 ? 1 : 4;
    nnom_scale_4_t scale = nnom_scale_4(&p->scale);
    int32x4_t right = vdupq_n_s32(scale.right);
    nnom_mve_rows_t d;
    d.apart = at_once == 1 ? 0 : size;
    d.size = (uint32_t)(has_rows ? x->count * channels : channels);
    for (uint32_t f = 0; f < filters; f += at_once) {
        if (at_once == 1) {
            vstrwq_s32(d.sum, vdupq_n_s32(nnom_start(&p->scale, f)));
        } else {
            if (f + 4 > filters) { /* the last four, some of them once more */
                nnom_scale_back(&scale, f + 4 - filters);
                f = filters - 4;
            }
            vstrwq_s32(d.sum, nnom_start_4(&scale, &right));
        }
        const int8_t *const filter = p->weights + f * size;
        for (uint32_t k = 0; pad_value != 0 && k < at_once; k++) {
            d.sum[k] += pad_value * outside(w, y, x, filter + k * size);
        }
        for (int32_t m = 0; m < y->count; m++) {
            d.weights = filter + ((y->tap + m * y->tap_step) * kernel_x + x->tap) * channels;
            d.window = in + ((y->cell + m * y->cell_step) * w->in_x + x->cell) * channels;
            for (int32_t n = columns; n > 0; n--) {
                nnom_mve_dots_4x1(&d);
                d.weights += tap_step;
                d.window += cell_step;
            }
        }
        if (at_once == 1) {
            out[f] = nnom_finish_s8(&p->scale, f, d.sum[0]);
        } else {
            nnom_finish_4(vldrwq_s32(d.sum), right, scale.least, out + f);
        }
    }
}

#endif
