/* SPDX-License-Identifier: Apache-2.0
 * NNoM's convolutions: their arguments put in order. */
#include "nnom.h"

#include "../kernels/kernels.h"

#define WINDOW()                                                                                   \
    {                                                                                              \
        .in_x = dim_im_in_x, .in_y = dim_im_in_y, .channels = ch_im_in, .out_x = dim_im_out_x,     \
        .out_y = dim_im_out_y, .kernel_x = dim_kernel_x, .kernel_y = dim_kernel_y,                 \
        .pad_x = padding_x, .pad_y = padding_y, .stride_x = stride_x, .stride_y = stride_y,        \
        .dilation_x = dilation_x, .dilation_y = dilation_y                                         \
    }

#define CONVOLUTION(name, T, kernel)                                                               \
    void local_##name##_nonsquare(NNOM_CONVOLVE_ARGUMENTS(T))                                      \
    {                                                                                              \
        const nnom_conv_t p = {.window = WINDOW(),                                                 \
                               .scale = {bias, bias_shift, out_shift,                              \
                                         q_type == NNOM_QTYPE_PER_AXIS, false},                    \
                               .weights = wt,                                                      \
                               .filters = ch_im_out};                                              \
        (void)bufferA, (void)bufferB;                                                              \
        kernel(&p, Im_in, Im_out);                                                                 \
    }

/* shifts are values here, and the data of both widths is declared as int8_t */
#define TRANSPOSED(name, T, kernel)                                                                \
    void local_##name##_nonsquare(NNOM_CONV_TRANS_ARGUMENTS(T))                                    \
    {                                                                                              \
        const nnom_qformat_param_t bias_by = bias_shift, out_by = out_shift;                       \
        const nnom_conv_t p = {.window = WINDOW(),                                                 \
                               .scale = {bias, &bias_by, &out_by, false, false},                   \
                               .weights = wt,                                                      \
                               .filters = ch_im_out};                                              \
        (void)bufferA, (void)bufferB;                                                              \
        kernel(&p, (const T *)(const void *)Im_in, Im_out);                                        \
    }

CONVOLUTION(convolve_HWC_q7, q7_t, nnom_conv_s8)
CONVOLUTION(convolve_HWC_q15, q15_t, nnom_conv_s16)
CONVOLUTION(convolve_CHW_q7, q7_t, nnom_conv_chw_s8)
CONVOLUTION(convolve_CHW_q15, q15_t, nnom_conv_chw_s16)
CONVOLUTION(depthwise_separable_conv_HWC_q7, q7_t, nnom_depthwise_s8)
CONVOLUTION(depthwise_separable_conv_HWC_q15, q15_t, nnom_depthwise_s16)
CONVOLUTION(depthwise_separable_conv_CHW_q7, q7_t, nnom_depthwise_chw_s8)
CONVOLUTION(depthwise_separable_conv_CHW_q15, q15_t, nnom_depthwise_chw_s16)
TRANSPOSED(conv_trans_HWC_q7, q7_t, nnom_conv_trans_s8)
TRANSPOSED(conv_trans_HWC_q15, q15_t, nnom_conv_trans_s16)
