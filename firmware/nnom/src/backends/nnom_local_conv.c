/* SPDX-License-Identifier: Apache-2.0
 * Convolution and depthwise convolution, reference kernels. */
#include "nnom.h"

/* Σ a[i] * b[i]; n <= 131071 keeps |result| below 2^31. */
static int32_t dot_q7(const q7_t *a, const q7_t *b, uint32_t n)
{
    int32_t sum = 0;
    for (; n >= 4; n -= 4, a += 4, b += 4) {
        sum += a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
    }
    for (; n > 0; n--) {
        sum += *a++ * *b++;
    }
    return sum;
}

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

static int32_t start_value(const q7_t *bias, uint32_t channel, int32_t bias_shift,
                           int32_t out_shift)
{
    return (bias == NULL ? 0 : nnom_lshift(bias[channel], bias_shift)) + NNOM_ROUND(out_shift);
}

void local_convolve_HWC_q7_nonsquare(
    const q7_t *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,
    const uint16_t ch_im_in, const q7_t *wt, const uint16_t ch_im_out, const uint16_t dim_kernel_x,
    const uint16_t dim_kernel_y, const uint16_t padding_x, const uint16_t padding_y,
    const uint16_t stride_x, const uint16_t stride_y, const uint16_t dilation_x,
    const uint16_t dilation_y, const q7_t *bias, const nnom_qformat_param_t *bias_shift,
    const nnom_qformat_param_t *out_shift, const nnom_qtype_t q_type, q7_t *Im_out,
    const uint16_t dim_im_out_x, const uint16_t dim_im_out_y, q15_t *bufferA, q7_t *bufferB)
{
    const uint32_t per_axis = q_type == NNOM_QTYPE_PER_AXIS;
    const uint32_t wt_row = (uint32_t)dim_kernel_x * ch_im_in;
    const int32_t in_row = dim_im_in_x * ch_im_in;
    (void)bufferA;
    (void)bufferB;

    for (uint32_t j = 0; j < dim_im_out_y; j++) {
        const window_t y = clip_window(j, stride_y, padding_y, dim_kernel_y, dilation_y, dim_im_in_y);
        for (uint32_t i = 0; i < dim_im_out_x; i++) {
            const window_t x =
                clip_window(i, stride_x, padding_x, dim_kernel_x, dilation_x, dim_im_in_x);
            /* without dilation a kernel row is one run of memory in image and weights */
            const bool contiguous = dilation_x == 1;
            const uint32_t run = x.last <= x.first ? 0 : (uint32_t)(x.last - x.first) * ch_im_in;
            for (uint32_t f = 0; f < ch_im_out; f++) {
                const uint32_t q = per_axis ? f : 0;
                const q7_t *filter = wt + f * dim_kernel_y * wt_row;
                int32_t sum = start_value(bias, f, bias == NULL ? 0 : bias_shift[q], out_shift[q]);
                for (int32_t m = y.first; m < y.last; m++) {
                    const q7_t *in = Im_in + (y.base + m * dilation_y) * in_row;
                    const q7_t *w = filter + (uint32_t)m * wt_row;
                    if (contiguous) {
                        if (run != 0) {
                            sum += dot_q7(in + (x.base + x.first) * ch_im_in,
                                          w + x.first * ch_im_in, run);
                        }
                        continue;
                    }
                    for (int32_t n = x.first; n < x.last; n++) {
                        sum += dot_q7(in + (x.base + n * dilation_x) * ch_im_in, w + n * ch_im_in,
                                      ch_im_in);
                    }
                }
                *Im_out++ = (q7_t)__NNOM_SSAT(sum >> out_shift[q], 8);
            }
        }
    }
}

void local_depthwise_separable_conv_HWC_q7_nonsquare(
    const q7_t *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,
    const uint16_t ch_im_in, const q7_t *wt, const uint16_t ch_im_out, const uint16_t dim_kernel_x,
    const uint16_t dim_kernel_y, const uint16_t padding_x, const uint16_t padding_y,
    const uint16_t stride_x, const uint16_t stride_y, const uint16_t dilation_x,
    const uint16_t dilation_y, const q7_t *bias, const nnom_qformat_param_t *bias_shift,
    const nnom_qformat_param_t *out_shift, const nnom_qtype_t q_type, q7_t *Im_out,
    const uint16_t dim_im_out_x, const uint16_t dim_im_out_y, q15_t *bufferA, q7_t *bufferB)
{
    const uint32_t per_axis = q_type == NNOM_QTYPE_PER_AXIS;
    const uint32_t multiplier = ch_im_out / ch_im_in;
    (void)bufferA;
    (void)bufferB;

    for (uint32_t j = 0; j < dim_im_out_y; j++) {
        const window_t y = clip_window(j, stride_y, padding_y, dim_kernel_y, dilation_y, dim_im_in_y);
        for (uint32_t i = 0; i < dim_im_out_x; i++) {
            const window_t x =
                clip_window(i, stride_x, padding_x, dim_kernel_x, dilation_x, dim_im_in_x);
            for (uint32_t f = 0; f < ch_im_out; f++) {
                const uint32_t q = per_axis ? f : 0;
                int32_t sum = start_value(bias, f, bias == NULL ? 0 : bias_shift[q], out_shift[q]);
                for (int32_t m = y.first; m < y.last; m++) {
                    const q7_t *in = Im_in + f / multiplier +
                                     ((y.base + m * dilation_y) * dim_im_in_x + x.base) * ch_im_in;
                    const q7_t *w = wt + (uint32_t)m * dim_kernel_x * ch_im_out + f;
                    for (int32_t n = x.first; n < x.last; n++) {
                        sum += in[n * dilation_x * ch_im_in] * w[n * ch_im_out];
                    }
                }
                *Im_out++ = (q7_t)__NNOM_SSAT(sum >> out_shift[q], 8);
            }
        }
    }
}
