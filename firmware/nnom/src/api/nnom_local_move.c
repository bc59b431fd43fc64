/* SPDX-License-Identifier: Apache-2.0
 * NNoM's functions that only move data: their arguments put in order. */
#include "nnom.h"

#include "../kernels/kernels.h"

/* A picture with channels of its own: each cell has all of them, or each plane one. */
#define HWC(T)                                                                                     \
    const nnom_picture_t p = {ch_im_in * sizeof(T), dim_im_in_x, dim_im_in_y, 1}
#define CHW(T)                                                                                     \
    const nnom_picture_t p = {sizeof(T), dim_im_in_x, dim_im_in_y, ch_im_in}

#define UP_SAMPLING(type, layout)                                                                  \
    void local_up_sampling_##type##_##layout(NNOM_UP_SAMPLING_ARGUMENTS(type##_t))                 \
    {                                                                                              \
        layout(type##_t);                                                                          \
        (void)dim_im_out_x, (void)dim_im_out_y, (void)bufferA;                                     \
        nnom_up_sample(&p, dim_kernel_x, dim_kernel_y, Im_in, Im_out);                             \
    }

#define ZERO_PADDING(type, layout)                                                                 \
    void local_zero_padding_##layout##_##type(NNOM_BORDER_ARGUMENTS(type##_t))                     \
    {                                                                                              \
        layout(type##_t);                                                                          \
        (void)padding_right, (void)dim_im_out_y;                                                   \
        nnom_zero_pad(&p, padding_top, padding_bottom, padding_left, dim_im_out_x, Im_in, Im_out); \
    }

#define CROPPING(type, layout)                                                                     \
    void local_cropping_##layout##_##type(NNOM_BORDER_ARGUMENTS(type##_t))                         \
    {                                                                                              \
        layout(type##_t);                                                                          \
        (void)padding_bottom, (void)padding_right;                                                 \
        nnom_crop(&p, padding_top, padding_left, dim_im_out_x, dim_im_out_y, Im_in, Im_out);       \
    }

UP_SAMPLING(q7, HWC)
UP_SAMPLING(q15, HWC)
UP_SAMPLING(q7, CHW)
UP_SAMPLING(q15, CHW)
ZERO_PADDING(q7, HWC)
ZERO_PADDING(q15, HWC)
ZERO_PADDING(q7, CHW)
ZERO_PADDING(q15, CHW)
CROPPING(q7, HWC)
CROPPING(q15, HWC)
CROPPING(q7, CHW)
CROPPING(q15, CHW)
