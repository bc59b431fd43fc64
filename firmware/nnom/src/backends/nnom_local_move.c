/* SPDX-License-Identifier: Apache-2.0
 * Kernels that only move data: rows of bytes, whatever the element and the layout. */
#include "nnom.h"

/* Each pixel of `pixel` bytes repeated across and down. */
static void up_sample(const uint8_t *in, uint32_t in_x, uint32_t in_y, size_t pixel, uint32_t times_x,
                      uint32_t times_y, uint8_t *out)
{
    const size_t row = in_x * times_x * pixel;
    for (uint32_t y = 0; y < in_y; y++) {
        const uint8_t *first_row = out;
        for (uint32_t x = 0; x < in_x; x++, in += pixel) {
            for (uint32_t n = 0; n < times_x; n++, out += pixel) {
                nnom_memcpy(out, in, pixel);
            }
        }
        for (uint32_t m = 1; m < times_y; m++, out += row) {
            nnom_memcpy(out, first_row, row);
        }
    }
}

/* A picture of in_y rows of in_row bytes, with `left` bytes before it in every row of out_row. */
static void pad(const uint8_t *in, uint32_t in_y, size_t in_row, uint32_t top, uint32_t bottom,
                size_t left, size_t out_row, uint8_t *out)
{
    nnom_memset(out, 0, out_row * (top + in_y + bottom));
    out += top * out_row + left;
    for (uint32_t y = 0; y < in_y; y++, in += in_row, out += out_row) {
        nnom_memcpy(out, in, in_row);
    }
}

static void crop(const uint8_t *in, size_t in_row, uint32_t top, size_t left, uint32_t out_y,
                 size_t out_row, uint8_t *out)
{
    in += top * in_row + left;
    for (uint32_t y = 0; y < out_y; y++, in += in_row, out += out_row) {
        nnom_memcpy(out, in, out_row);
    }
}

#define UP_SAMPLING_HWC(type)                                                                     \
    void local_up_sampling_##type##_HWC(NNOM_UP_SAMPLING_ARGUMENTS(type##_t))                     \
    {                                                                                             \
        (void)dim_im_out_x, (void)dim_im_out_y, (void)bufferA;                                    \
        up_sample((const uint8_t *)Im_in, dim_im_in_x, dim_im_in_y, ch_im_in * sizeof(type##_t),  \
                  dim_kernel_x, dim_kernel_y, (uint8_t *)Im_out);                                 \
    }

#define UP_SAMPLING_CHW(type)                                                                    \
    void local_up_sampling_##type##_CHW(NNOM_UP_SAMPLING_ARGUMENTS(type##_t))                    \
    {                                                                                            \
        (void)bufferA;                                                                           \
        for (uint32_t c = 0; c < ch_im_in; c++) {                                                \
            up_sample((const uint8_t *)Im_in, dim_im_in_x, dim_im_in_y, sizeof(type##_t),        \
                      dim_kernel_x, dim_kernel_y, (uint8_t *)Im_out);                            \
            Im_in += (size_t)dim_im_in_x * dim_im_in_y;                                          \
            Im_out += (size_t)dim_im_out_x * dim_im_out_y;                                       \
        }                                                                                        \
    }

#define ZERO_PADDING_HWC(type)                                                                    \
    void local_zero_padding_HWC_##type(NNOM_BORDER_ARGUMENTS(type##_t))                           \
    {                                                                                             \
        const size_t pixel = ch_im_in * sizeof(type##_t);                                         \
        (void)padding_right, (void)dim_im_out_y;                                                  \
        pad((const uint8_t *)Im_in, dim_im_in_y, dim_im_in_x * pixel, padding_top, padding_bottom, \
            padding_left * pixel, dim_im_out_x * pixel, (uint8_t *)Im_out);                       \
    }

#define ZERO_PADDING_CHW(type)                                                                  \
    void local_zero_padding_CHW_##type(NNOM_BORDER_ARGUMENTS(type##_t))                         \
    {                                                                                           \
        (void)padding_right;                                                                    \
        for (uint32_t c = 0; c < ch_im_in; c++) {                                               \
            pad((const uint8_t *)Im_in, dim_im_in_y, dim_im_in_x * sizeof(type##_t),            \
                padding_top, padding_bottom, padding_left * sizeof(type##_t),                   \
                dim_im_out_x * sizeof(type##_t), (uint8_t *)Im_out);                            \
            Im_in += (size_t)dim_im_in_x * dim_im_in_y;                                         \
            Im_out += (size_t)dim_im_out_x * dim_im_out_y;                                      \
        }                                                                                       \
    }

#define CROPPING_HWC(type)                                                                        \
    void local_cropping_HWC_##type(NNOM_BORDER_ARGUMENTS(type##_t))                               \
    {                                                                                             \
        const size_t pixel = ch_im_in * sizeof(type##_t);                                         \
        (void)dim_im_in_y, (void)padding_bottom, (void)padding_right;                             \
        crop((const uint8_t *)Im_in, dim_im_in_x * pixel, padding_top, padding_left * pixel,      \
             dim_im_out_y, dim_im_out_x * pixel, (uint8_t *)Im_out);                              \
    }

#define CROPPING_CHW(type)                                                                      \
    void local_cropping_CHW_##type(NNOM_BORDER_ARGUMENTS(type##_t))                             \
    {                                                                                           \
        (void)padding_bottom, (void)padding_right;                                              \
        for (uint32_t c = 0; c < ch_im_in; c++) {                                               \
            crop((const uint8_t *)Im_in, dim_im_in_x * sizeof(type##_t), padding_top,           \
                 padding_left * sizeof(type##_t), dim_im_out_y,                                 \
                 dim_im_out_x * sizeof(type##_t), (uint8_t *)Im_out);                           \
            Im_in += (size_t)dim_im_in_x * dim_im_in_y;                                         \
            Im_out += (size_t)dim_im_out_x * dim_im_out_y;                                      \
        }                                                                                       \
    }

UP_SAMPLING_HWC(q7)
UP_SAMPLING_HWC(q15)
UP_SAMPLING_CHW(q7)
UP_SAMPLING_CHW(q15)
ZERO_PADDING_HWC(q7)
ZERO_PADDING_HWC(q15)
ZERO_PADDING_CHW(q7)
ZERO_PADDING_CHW(q15)
CROPPING_HWC(q7)
CROPPING_HWC(q15)
CROPPING_CHW(q7)
CROPPING_CHW(q15)
