/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of int8 data by CMSIS-NN's q7 function. */
#include "../kernels.h"

#if NNOM_HAS_CMSIS_Q7

#include "cmsis.h"

size_t nnom_depthwise_s8_cmsis_q7_scratch(const nnom_conv_t *p)
{
    return larger(bytes_of_windows(p), nnom_own_depthwise_s8_scratch(p));
}

void nnom_depthwise_s8_cmsis_q7(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    arm_status status = ARM_MATH_ARGUMENT_ERROR;
    if (can_slide(p) && p->filters == p->window.channels) {
        status = arm_depthwise_separable_conv_HWC_q7_nonsquare(CONVOLUTION_ARGUMENTS(p, in, out));
    }
    if (status != ARM_MATH_SUCCESS) {
        nnom_own_depthwise_s8(p, in, out);
        return;
    }
    finish(&p->scale, out, results_of(p));
}

#endif
