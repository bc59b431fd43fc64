/* SPDX-License-Identifier: Apache-2.0
 * Convolution and depthwise convolution, reference kernels. */
#include "nnom_dot.h"

/* Largest window that is gathered on the stack; larger ones are read in place. */
#define PATCH_MAX 512

/* Kernel taps [first, last) that fall inside an image of size cells, for a window that starts at
 * cell base. */
typedef struct {
    int32_t base;
    int32_t first, last;
} window_t;

static window_t clip_window(uint32_t out, uint16_t stride, uint16_t pad, uint16_t kernel,
                            uint16_t dilation, uint16_t size)
{
    window_t w = {(int32_t)(out * stride) - pad, 0, kernel};
    if (w.base < 0) {
        w.first = (-w.base + dilation - 1) / dilation;
    }
    if (w.base + (kernel - 1) * dilation >= size) {
        w.last = w.base >= size ? 0 : (size - 1 - w.base) / dilation + 1;
    }
    return w;
}

static inline bool leaves_image(window_t y, window_t x, uint16_t kernel_y, uint16_t kernel_x)
{
    return y.first > 0 || x.first > 0 || y.last < kernel_y || x.last < kernel_x;
}

/* How a sum starts and ends: bias, rounding, shift. step is 1 with one shift per channel, else 0. */
typedef struct {
    const q7_t *bias;
    const nnom_qformat_param_t *bias_shift, *out_shift;
    uint32_t step;
} scale_t;

static inline int32_t start_value(const scale_t *s, uint32_t channel)
{
    const int32_t round = NNOM_ROUND(s->out_shift[channel * s->step]);
    if (s->bias == NULL) {
        return round;
    }
    return nnom_lshift(s->bias[channel], s->bias_shift[channel * s->step]) + round;
}

static inline q7_t finish(const scale_t *s, uint32_t channel, int32_t sum)
{
    return nnom_sat8(sum >> s->out_shift[channel * s->step]);
}

/* Copies the window's cells, row by row, pad_value where it leaves the image. */
static void gather(q7_t *patch, const q7_t *in, window_t y, window_t x, uint16_t kernel_x,
                   uint16_t kernel_y, uint16_t dilation_x, uint16_t dilation_y, int32_t in_row,
                   uint16_t channels, q7_t pad_value)
{
    const size_t row = (size_t)kernel_x * channels;
    if (leaves_image(y, x, kernel_y, kernel_x)) {
        nnom_memset(patch, pad_value, row * kernel_y);
    }
    if (x.first >= x.last) {
        return;
    }
    for (int32_t m = y.first; m < y.last; m++) {
        q7_t *dst = patch + (size_t)m * row + x.first * channels;
        const q7_t *src = in + (y.base + m * dilation_y) * in_row +
                          (x.base + x.first * dilation_x) * channels;
        if (dilation_x == 1) {
            nnom_copy(dst, src, (uint32_t)((x.last - x.first) * channels));
            continue;
        }
        for (int32_t n = x.first; n < x.last; n++) {
            nnom_copy(dst, src, channels);
            dst += channels;
            src += dilation_x * channels;
        }
    }
}

/* One output pixel from a gathered window of size bytes. */
static void convolve_patch(const q7_t *patch, uint32_t size, const q7_t *wt, uint32_t filters,
                           const scale_t *scale, q7_t *out)
{
    uint32_t f = 0;
    for (; f + 4 <= filters; f += 4, wt += 4 * size) {
        int32_t sum[4] = {start_value(scale, f), start_value(scale, f + 1),
                          start_value(scale, f + 2), start_value(scale, f + 3)};
        nnom_dot_4_rows(patch, wt, size, sum);
        out[f] = finish(scale, f, sum[0]);
        out[f + 1] = finish(scale, f + 1, sum[1]);
        out[f + 2] = finish(scale, f + 2, sum[2]);
        out[f + 3] = finish(scale, f + 3, sum[3]);
    }
    for (; f < filters; f++, wt += size) {
        out[f] = finish(scale, f, nnom_dot(patch, wt, size, start_value(scale, f)));
    }
}

/* Sum of a filter's weights whose taps leave the image; apart: from one weight to the next. */
static int32_t sum_outside(const q7_t *w, window_t y, window_t x, uint16_t kernel_x,
                           uint16_t kernel_y, uint32_t channels, uint32_t apart)
{
    int32_t sum = 0;
    for (int32_t m = 0; m < kernel_y; m++) {
        for (int32_t n = 0; n < kernel_x; n++) {
            const bool inside = m >= y.first && m < y.last && n >= x.first && n < x.last;
            for (uint32_t c = 0; c < channels; c++, w += apart) {
                sum += inside ? 0 : *w;
            }
        }
    }
    return sum;
}

/* One output pixel straight from the image, for windows too large to gather. */
static void convolve_in_place(const q7_t *in, window_t y, window_t x, uint16_t kernel_x,
                              uint16_t kernel_y, uint16_t dilation_x, uint16_t dilation_y,
                              int32_t in_row, uint16_t channels, const q7_t *wt, uint32_t filters,
                              const scale_t *scale, q7_t *out, q7_t pad_value)
{
    for (uint32_t f = 0; f < filters; f++) {
        const q7_t *filter = wt + f * kernel_y * kernel_x * channels;
        int32_t sum = start_value(scale, f);
        if (pad_value != 0 && leaves_image(y, x, kernel_y, kernel_x)) {
            sum += pad_value * sum_outside(filter, y, x, kernel_x, kernel_y, channels, 1);
        }
        for (int32_t m = y.first; m < y.last; m++) {
            const q7_t *row = in + (y.base + m * dilation_y) * in_row;
            const q7_t *w = filter + m * kernel_x * channels;
            for (int32_t n = x.first; n < x.last; n++) {
                sum = nnom_dot(row + (x.base + n * dilation_x) * channels, w + n * channels,
                               channels, sum);
            }
        }
        out[f] = finish(scale, f, sum);
    }
}

void nnom_convolve_padded_HWC_q7(NNOM_PADDED_ARGUMENTS(q7_t))
{
    const scale_t scale = {bias, bias_shift, out_shift, q_type == NNOM_QTYPE_PER_AXIS};
    const uint32_t size = (uint32_t)dim_kernel_x * dim_kernel_y * ch_im_in;
    const int32_t in_row = dim_im_in_x * ch_im_in;
    q7_t patch[PATCH_MAX];
    (void)bufferA;
    (void)bufferB;

    for (uint32_t j = 0; j < dim_im_out_y; j++) {
        const window_t y = clip_window(j, stride_y, padding_y, dim_kernel_y, dilation_y, dim_im_in_y);
        for (uint32_t i = 0; i < dim_im_out_x; i++, Im_out += ch_im_out) {
            const window_t x =
                clip_window(i, stride_x, padding_x, dim_kernel_x, dilation_x, dim_im_in_x);
            if (size <= PATCH_MAX) {
                gather(patch, Im_in, y, x, dim_kernel_x, dim_kernel_y, dilation_x, dilation_y,
                       in_row, ch_im_in, pad_value);
                convolve_patch(patch, size, wt, ch_im_out, &scale, Im_out);
            } else {
                convolve_in_place(Im_in, y, x, dim_kernel_x, dim_kernel_y, dilation_x, dilation_y,
                                  in_row, ch_im_in, wt, ch_im_out, &scale, Im_out,
                                  pad_value);
            }
        }
    }
}

void local_convolve_HWC_q7_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q7_t))
{
    nnom_convolve_padded_HWC_q7(Im_in, dim_im_in_x, dim_im_in_y, ch_im_in, wt, ch_im_out,
                                dim_kernel_x, dim_kernel_y, padding_x, padding_y, stride_x,
                                stride_y, dilation_x, dilation_y, bias, bias_shift, out_shift,
                                q_type, Im_out, dim_im_out_x, dim_im_out_y, bufferA, bufferB, 0);
}

void nnom_depthwise_padded_HWC_q7(NNOM_PADDED_ARGUMENTS(q7_t))
{
    const scale_t scale = {bias, bias_shift, out_shift, q_type == NNOM_QTYPE_PER_AXIS};
    const uint32_t multiplier = ch_im_out / ch_im_in;
    (void)bufferA;
    (void)bufferB;

    for (uint32_t j = 0; j < dim_im_out_y; j++) {
        const window_t y = clip_window(j, stride_y, padding_y, dim_kernel_y, dilation_y, dim_im_in_y);
        for (uint32_t i = 0; i < dim_im_out_x; i++) {
            const window_t x =
                clip_window(i, stride_x, padding_x, dim_kernel_x, dilation_x, dim_im_in_x);
            for (uint32_t f = 0; f < ch_im_out; f++) {
                int32_t sum = start_value(&scale, f);
                if (pad_value != 0 && leaves_image(y, x, dim_kernel_y, dim_kernel_x)) {
                    sum += pad_value * sum_outside(wt + f, y, x, dim_kernel_x, dim_kernel_y, 1,
                                                   ch_im_out);
                }
                for (int32_t m = y.first; m < y.last; m++) {
                    const q7_t *in = Im_in + f / multiplier +
                                     ((y.base + m * dilation_y) * dim_im_in_x + x.base) * ch_im_in;
                    const q7_t *w = wt + (uint32_t)m * dim_kernel_x * ch_im_out + f;
                    for (int32_t n = x.first; n < x.last; n++) {
                        sum += in[n * dilation_x * ch_im_in] * w[n * ch_im_out];
                    }
                }
                *Im_out++ = finish(&scale, f, sum);
            }
        }
    }
}

void local_depthwise_separable_conv_HWC_q7_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q7_t))
{
    nnom_depthwise_padded_HWC_q7(Im_in, dim_im_in_x, dim_im_in_y, ch_im_in, wt, ch_im_out,
                                 dim_kernel_x, dim_kernel_y, padding_x, padding_y, stride_x,
                                 stride_y, dilation_x, dilation_y, bias, bias_shift, out_shift,
                                 q_type, Im_out, dim_im_out_x, dim_im_out_y, bufferA, bufferB, 0);
}
