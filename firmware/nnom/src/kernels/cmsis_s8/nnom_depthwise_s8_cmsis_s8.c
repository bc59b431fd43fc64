/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of int8 data by CMSIS-NN's s8 functions. */
#include "../kernels.h"

#if NNOM_HAS_CMSIS_S8

#include "cmsis.h"

static cmsis_nn_dw_conv_params parameters(const nnom_conv_t *p, const shapes_t *s)
{
    const cmsis_nn_dw_conv_params c = {.ch_mult = p->filters / p->window.channels, .stride = s->stride,
        .padding = s->padding, .dilation = s->dilation, .activation = limits(&p->scale)};
    return c;
}

size_t nnom_depthwise_s8_cmsis_s8_scratch(const nnom_conv_t *p)
{
    shapes_t s = shapes_of(p);
    s.filter.n = 1;
    s.filter.c = p->filters;
    const cmsis_nn_dw_conv_params c = parameters(p, &s);
    const int32_t works_in = arm_depthwise_conv_wrapper_s8_get_buffer_size(&c, &s.in, &s.filter, &s.out);
    const size_t bytes = bytes_scaled(p->filters) + (works_in > 0 ? (size_t)works_in : 0);
    return larger(bytes, nnom_own_depthwise_s8_scratch(p));
}

void nnom_depthwise_s8_cmsis_s8(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    arm_cmsis_nn_status status = ARM_CMSIS_NN_ARG_ERROR;
    if (can_slide(p)) {
        shapes_t s = shapes_of(p);
        s.filter.n = 1;
        s.filter.c = p->filters;
        const cmsis_nn_dw_conv_params c = parameters(p, &s);
        const scaled_t scale = scaled(&p->scale, p->filters, (int32_t *)p->scratch);
        const cmsis_nn_per_channel_quant_params q = {scale.multiplier, scale.shift};
        const cmsis_nn_context context = {
            (uint8_t *)p->scratch + bytes_scaled(p->filters),
            arm_depthwise_conv_wrapper_s8_get_buffer_size(&c, &s.in, &s.filter, &s.out)};
        status = arm_depthwise_conv_wrapper_s8(&context, &c, &q, &s.in, in, &s.filter, p->weights, &s.bias, scale.bias,
                      &s.out, out);
    }
    if (status != ARM_CMSIS_NN_SUCCESS) {
        nnom_own_depthwise_s8(p, in, out);
    }
}

#endif
