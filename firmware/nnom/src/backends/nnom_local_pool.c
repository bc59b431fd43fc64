/* SPDX-License-Identifier: Apache-2.0
 * Pooling kernels. */
#include "nnom.h"

typedef struct {
    uint32_t first, last; /* cells [first, last) of the image */
} span_t;

static span_t clip_span(uint32_t out, uint16_t stride, uint16_t pad, uint16_t kernel, uint16_t size)
{
    const int32_t start = (int32_t)(out * stride) - pad;
    const int32_t end = start + kernel;
    const span_t span = {(uint32_t)(start < 0 ? 0 : start),
                         (uint32_t)(end < 0 ? 0 : end > size ? size : end)};
    return span;
}

void local_maxpool_q7_HWC(const q7_t *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,
                          const uint16_t ch_im_in, const uint16_t dim_kernel_x,
                          const uint16_t dim_kernel_y, const uint16_t padding_x,
                          const uint16_t padding_y, const uint16_t stride_x,
                          const uint16_t stride_y, const uint16_t dim_im_out_x,
                          const uint16_t dim_im_out_y, q7_t *bufferA, q7_t *Im_out)
{
    (void)bufferA;
    for (uint32_t j = 0; j < dim_im_out_y; j++) {
        const span_t y = clip_span(j, stride_y, padding_y, dim_kernel_y, dim_im_in_y);
        for (uint32_t i = 0; i < dim_im_out_x; i++, Im_out += ch_im_in) {
            const span_t x = clip_span(i, stride_x, padding_x, dim_kernel_x, dim_im_in_x);
            if (y.first >= y.last || x.first >= x.last) {
                nnom_memset(Im_out, 127, ch_im_in); /* NNoM's result for a window with no taps */
                continue;
            }
            nnom_memset(Im_out, -128, ch_im_in);
            for (uint32_t m = y.first; m < y.last; m++) {
                const q7_t *in = Im_in + (m * dim_im_in_x + x.first) * ch_im_in;
                for (uint32_t n = x.first; n < x.last; n++) {
                    for (uint32_t c = 0; c < ch_im_in; c++, in++) {
                        if (*in > Im_out[c]) {
                            Im_out[c] = *in;
                        }
                    }
                }
            }
        }
    }
}

void local_avepool_q7_HWC(const q7_t *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,
                          const uint16_t ch_im_in, const uint16_t dim_kernel_x,
                          const uint16_t dim_kernel_y, const uint16_t padding_x,
                          const uint16_t padding_y, const uint16_t stride_x,
                          const uint16_t stride_y, const uint16_t dim_im_out_x,
                          const uint16_t dim_im_out_y, const uint16_t output_shift, q7_t *bufferA,
                          q7_t *Im_out)
{
    (void)bufferA;
    for (uint32_t j = 0; j < dim_im_out_y; j++) {
        const span_t y = clip_span(j, stride_y, padding_y, dim_kernel_y, dim_im_in_y);
        for (uint32_t i = 0; i < dim_im_out_x; i++) {
            const span_t x = clip_span(i, stride_x, padding_x, dim_kernel_x, dim_im_in_x);
            const bool empty = y.first >= y.last || x.first >= x.last;
            const uint32_t count = empty ? 0 : (y.last - y.first) * (x.last - x.first);
            const uint32_t shifted = output_shift > 31 ? 0 : count >> output_shift;
            /* a shift that leaves no tap to divide by: the sum itself */
            const int32_t divisor = (int32_t)(shifted == 0 ? 1 : shifted);
            for (uint32_t c = 0; c < ch_im_in; c++) {
                int32_t sum = 0;
                for (uint32_t m = y.first; m < y.last; m++) {
                    const q7_t *in = Im_in + (m * dim_im_in_x + x.first) * ch_im_in + c;
                    for (uint32_t n = x.first; n < x.last; n++, in += ch_im_in) {
                        sum += *in;
                    }
                }
                *Im_out++ = (q7_t)(sum / divisor);
            }
        }
    }
}
