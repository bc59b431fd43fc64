/* SPDX-License-Identifier: Apache-2.0
 * Convolution of int8 data by CMSIS-NN's q7 functions. */
#include "../kernels.h"

#if NNOM_HAS_CMSIS_Q7

#include "cmsis.h"

size_t nnom_conv_s8_cmsis_q7_scratch(const nnom_conv_t *p)
{
    return larger(bytes_of_windows(p), nnom_own_conv_s8_scratch(p));
}

/* The fast functions take all windows but the first and the last `pad` of a row, or column, to lie
 * inside the image. A stride leaves more of them over at its end, where Keras pads more than before
 * its beginning. */
static bool lie_inside(int32_t out, int32_t pad, int32_t stride, int32_t kernel, int32_t size)
{
    return pad <= out && (out - pad - 1) * stride - pad + kernel <= size;
}

void nnom_conv_s8_cmsis_q7(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    arm_status status = ARM_MATH_ARGUMENT_ERROR;
    if (can_slide(p)) {
        const bool is_fast =
            w->channels % 4 == 0 && p->filters % 2 == 0 &&
            lie_inside(w->out_x, w->pad_x, w->stride_x, w->kernel_x, w->in_x) &&
            lie_inside(w->out_y, w->pad_y, w->stride_y, w->kernel_y, w->in_y);
        const bool is_point = w->kernel_x == 1 && w->kernel_y == 1 && w->pad_x == 0 &&
                              w->pad_y == 0 && w->stride_x == 1 && w->stride_y == 1;
        if (is_fast && is_point) {
            status = arm_convolve_1x1_HWC_q7_fast_nonsquare(CONVOLUTION_ARGUMENTS(p, in, out));
        } else if (is_fast) {
            status = arm_convolve_HWC_q7_fast_nonsquare(CONVOLUTION_ARGUMENTS(p, in, out));
        } else {
            status = arm_convolve_HWC_q7_basic_nonsquare(CONVOLUTION_ARGUMENTS(p, in, out));
        }
    }
    if (status != ARM_MATH_SUCCESS) {
        nnom_own_conv_s8(p, in, out);
        return;
    }
    finish(&p->scale, out, results_of(p));
}

#endif
