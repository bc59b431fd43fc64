/* SPDX-License-Identifier: Apache-2.0
 * NNoM's pools: their arguments put in order. */
#include "nnom.h"

#include "../kernels/kernels.h"

#define WINDOW(w)                                                                                  \
    const nnom_window_t w = {.in_x = dim_im_in_x, .in_y = dim_im_in_y, .channels = ch_im_in,       \
                             .out_x = dim_im_out_x, .out_y = dim_im_out_y,                         \
                             .kernel_x = dim_kernel_x, .kernel_y = dim_kernel_y,                   \
                             .pad_x = padding_x, .pad_y = padding_y, .stride_x = stride_x,         \
                             .stride_y = stride_y, .dilation_x = 1, .dilation_y = 1};              \
    (void)bufferA

#define POOL(name, T, kernel)                                                                      \
    void local_##name(NNOM_POOL_ARGUMENTS(T))                                                      \
    {                                                                                              \
        WINDOW(w);                                                                                 \
        kernel(&w, Im_in, Im_out);                                                                 \
    }

#define SHIFTED_POOL(name, T, kernel)                                                              \
    void local_##name(NNOM_SHIFTED_POOL_ARGUMENTS(T))                                              \
    {                                                                                              \
        WINDOW(w);                                                                                 \
        kernel(&w, output_shift, Im_in, Im_out);                                                   \
    }

POOL(maxpool_q7_HWC, q7_t, nnom_maxpool_s8)
POOL(maxpool_q15_HWC, q15_t, nnom_maxpool_s16)
POOL(maxpool_q7_CHW, q7_t, nnom_maxpool_chw_s8)
POOL(maxpool_q15_CHW, q15_t, nnom_maxpool_chw_s16)
SHIFTED_POOL(avepool_q7_HWC, q7_t, nnom_avgpool_s8)
SHIFTED_POOL(avepool_q15_HWC, q15_t, nnom_avgpool_s16)
SHIFTED_POOL(avepool_q7_CHW, q7_t, nnom_avgpool_chw_s8)
SHIFTED_POOL(avepool_q15_CHW, q15_t, nnom_avgpool_chw_s16)
POOL(sumpool_q7_HWC, q7_t, nnom_sumpool_s8)
SHIFTED_POOL(sumpool_q15_HWC, q15_t, nnom_sumpool_s16)
POOL(sumpool_q7_CHW, q7_t, nnom_sumpool_chw_s8)
SHIFTED_POOL(sumpool_q15_CHW, q15_t, nnom_sumpool_chw_s16)
