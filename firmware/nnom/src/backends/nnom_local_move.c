/* SPDX-License-Identifier: Apache-2.0
 * Kernels that only move data. */
#include "nnom.h"

void local_up_sampling_q7_HWC(const q7_t *Im_in, const uint16_t dim_im_in_x,
                              const uint16_t dim_im_in_y, const uint16_t ch_im_in,
                              const uint16_t dim_kernel_x, const uint16_t dim_kernel_y,
                              const uint16_t dim_im_out_x, const uint16_t dim_im_out_y,
                              q7_t *bufferA, q7_t *Im_out)
{
    const size_t row = (size_t)dim_im_out_x * ch_im_in;
    (void)dim_im_out_y;
    (void)bufferA;
    for (uint32_t j = 0; j < dim_im_in_y; j++) {
        const q7_t *first_row = Im_out;
        for (uint32_t i = 0; i < dim_im_in_x; i++, Im_in += ch_im_in) {
            for (uint32_t n = 0; n < dim_kernel_x; n++, Im_out += ch_im_in) {
                nnom_memcpy(Im_out, Im_in, ch_im_in);
            }
        }
        for (uint32_t m = 1; m < dim_kernel_y; m++, Im_out += row) {
            nnom_memcpy(Im_out, first_row, row);
        }
    }
}

void local_zero_padding_HWC_q7(const q7_t *Im_in, const uint16_t dim_im_in_x,
                               const uint16_t dim_im_in_y, const uint16_t ch_im_in,
                               const uint16_t padding_top, const uint16_t padding_bottom,
                               const uint16_t padding_left, const uint16_t padding_right,
                               q7_t *Im_out, const uint16_t dim_im_out_x,
                               const uint16_t dim_im_out_y)
{
    const size_t in_row = (size_t)dim_im_in_x * ch_im_in;
    const size_t out_row = (size_t)dim_im_out_x * ch_im_in;
    const size_t left = (size_t)padding_left * ch_im_in;
    (void)padding_bottom;
    (void)padding_right;
    nnom_memset(Im_out, 0, out_row * dim_im_out_y);
    Im_out += padding_top * out_row + left;
    for (uint32_t j = 0; j < dim_im_in_y; j++, Im_in += in_row, Im_out += out_row) {
        nnom_memcpy(Im_out, Im_in, in_row);
    }
}

void local_cropping_HWC_q7(const q7_t *Im_in, const uint16_t dim_im_in_x,
                           const uint16_t dim_im_in_y, const uint16_t ch_im_in,
                           const uint16_t padding_top, const uint16_t padding_bottom,
                           const uint16_t padding_left, const uint16_t padding_right, q7_t *Im_out,
                           const uint16_t dim_im_out_x, const uint16_t dim_im_out_y)
{
    const size_t in_row = (size_t)dim_im_in_x * ch_im_in;
    const size_t out_row = (size_t)dim_im_out_x * ch_im_in;
    (void)dim_im_in_y;
    (void)padding_bottom;
    (void)padding_right;
    Im_in += padding_top * in_row + (size_t)padding_left * ch_im_in;
    for (uint32_t j = 0; j < dim_im_out_y; j++, Im_in += in_row, Im_out += out_row) {
        nnom_memcpy(Im_out, Im_in, out_row);
    }
}
