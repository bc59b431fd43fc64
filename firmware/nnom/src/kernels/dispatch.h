/* SPDX-License-Identifier: Apache-2.0
 * Which form of a kernel runs: decided here, when the library is compiled, and nowhere else. The
 * best that the core has, unless NNOM_KERNELS (port/nnom_port.h) says plain; for one operation
 * -DNNOM_CONV_S8=plain says it. */
#ifndef NNOM_DISPATCH_H
#define NNOM_DISPATCH_H

/* v6m: Thumb with few registers and no more than a multiplication. v7m: Thumb-2, long
 * multiplications, saturation. dsp: pairs of 16-bit products. mve: vectors of 16 bytes (Helium). */
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define NNOM_HAS_MVE 1
#else
#define NNOM_HAS_MVE 0
#endif
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED)
#define NNOM_HAS_DSP 1
#else
#define NNOM_HAS_DSP 0
#endif
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && __ARM_ARCH_ISA_THUMB == 2 &&       \
    defined(__ARM_FEATURE_UNALIGNED)
#define NNOM_HAS_V7M 1
#else
#define NNOM_HAS_V7M 0
#endif
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define NNOM_HAS_V6M 1
#else
#define NNOM_HAS_V6M 0
#endif

#define NNOM_PASTE_(a, b) a##b
#define NNOM_PASTE(a, b) NNOM_PASTE_(a, b)
#define NNOM_ONLY_plain 1
#define NNOM_IS_A_CHOICE_auto 1
#define NNOM_IS_A_CHOICE_plain 1

#if !NNOM_PASTE(NNOM_IS_A_CHOICE_, NNOM_KERNELS)
#error "NNOM_KERNELS is auto or plain"
#endif

/* Of the forms that the kinds of cores get, this core's. */
#if NNOM_PASTE(NNOM_ONLY_, NNOM_KERNELS) || !NNOM_HAS_V6M
#define NNOM_PICK(m0, m3, m4, m55) plain
#elif NNOM_HAS_MVE
#define NNOM_PICK(m0, m3, m4, m55) m55
#elif NNOM_HAS_DSP
#define NNOM_PICK(m0, m3, m4, m55) m4
#elif NNOM_HAS_V7M
#define NNOM_PICK(m0, m3, m4, m55) m3
#else
#define NNOM_PICK(m0, m3, m4, m55) m0
#endif

/* With NNOM_USING_CMSIS_NN the user's CMSIS-NN serves what it has and gives the same bytes of; the
 * newest one has no q7 functions any more. What it does not serve runs on the own form. */
#if !defined(NNOM_USING_CMSIS_NN)
#define NNOM_HAS_CMSIS_Q7 0
#define NNOM_HAS_CMSIS_S8 0
#elif !__has_include("arm_nnfunctions.h")
#error "NNOM_USING_CMSIS_NN: CMSIS-NN's Include folder (arm_nnfunctions.h) is not on the include path"
#elif __has_include("Internal/arm_nn_config.h") || defined(NNOM_CMSIS_NN_S8)
#define NNOM_HAS_CMSIS_Q7 0
#define NNOM_HAS_CMSIS_S8 1
#else
#define NNOM_HAS_CMSIS_Q7 1
#define NNOM_HAS_CMSIS_S8 0
#endif
#if NNOM_HAS_CMSIS_S8
#define NNOM_OR_CMSIS(own) cmsis_s8
#define NNOM_OR_CMSIS_Q7(own) own
#elif NNOM_HAS_CMSIS_Q7
#define NNOM_OR_CMSIS(own) cmsis_q7
#define NNOM_OR_CMSIS_Q7(own) cmsis_q7
#else
#define NNOM_OR_CMSIS(own) own
#define NNOM_OR_CMSIS_Q7(own) own
#endif

/* ---- the choice ------------------------------------------------------------------------------ */

/*                       M0, M0+, M23   M3     M4, M7, M33   M55 */
#define NNOM_OWN_CONV_S8 NNOM_PICK(v6m, v7m, dsp, mve)
#ifndef NNOM_CONV_S8
#define NNOM_CONV_S8 NNOM_OR_CMSIS(NNOM_OWN_CONV_S8)
#endif
#ifndef NNOM_CONV_TRANS_S8
#define NNOM_CONV_TRANS_S8 NNOM_PICK(plain, plain, dsp, mve)
#endif
#define NNOM_OWN_DEPTHWISE_S8 NNOM_PICK(v6m, v7m, dsp, mve)
#ifndef NNOM_DEPTHWISE_S8
#define NNOM_DEPTHWISE_S8 NNOM_OR_CMSIS(NNOM_OWN_DEPTHWISE_S8)
#endif
#define NNOM_OWN_DENSE_S8 NNOM_PICK(v6m, v7m, dsp, mve)
#ifndef NNOM_DENSE_S8
#define NNOM_DENSE_S8 NNOM_OR_CMSIS(NNOM_OWN_DENSE_S8)
#endif
#define NNOM_OWN_DENSE_X4_S8 NNOM_PICK(v6m, v7m, dsp, mve)
#ifndef NNOM_DENSE_X4_S8
#define NNOM_DENSE_X4_S8 NNOM_OR_CMSIS_Q7(NNOM_OWN_DENSE_X4_S8)
#endif
#ifndef NNOM_DENSE_X2_S16
#define NNOM_DENSE_X2_S16 NNOM_PICK(v6m, v7m, dsp, mve)
#endif
#ifndef NNOM_MAXPOOL_S8
#define NNOM_MAXPOOL_S8 NNOM_PICK(v6m, v7m, dsp, mve)
#endif
#ifndef NNOM_AVGPOOL_S8
#define NNOM_AVGPOOL_S8 NNOM_PICK(plain, plain, dsp, mve)
#endif
#ifndef NNOM_SUMPOOL_S8
#define NNOM_SUMPOOL_S8 NNOM_PICK(plain, plain, dsp, mve)
#endif
#ifndef NNOM_ADD_S8
#define NNOM_ADD_S8 NNOM_PICK(v6m, v7m, dsp, mve)
#endif
#ifndef NNOM_SUB_S8
#define NNOM_SUB_S8 NNOM_PICK(v6m, v7m, dsp, mve)
#endif
#ifndef NNOM_MULT_S8
#define NNOM_MULT_S8 NNOM_PICK(v6m, v7m, dsp, mve)
#endif
#ifndef NNOM_RELU_S8
#define NNOM_RELU_S8 NNOM_PICK(plain, plain, dsp, mve)
#endif
#ifndef NNOM_ADD_S16
#define NNOM_ADD_S16 NNOM_PICK(plain, plain, plain, mve)
#endif
#ifndef NNOM_SIGMOID_S16
#define NNOM_SIGMOID_S16 NNOM_PICK(plain, plain, plain, mve)
#endif
#ifndef NNOM_TANH_S16
#define NNOM_TANH_S16 NNOM_PICK(plain, plain, plain, mve)
#endif
#ifndef NNOM_GATE_S16
#define NNOM_GATE_S16 NNOM_PICK(plain, plain, plain, mve)
#endif
#ifndef NNOM_BLEND_S16
#define NNOM_BLEND_S16 NNOM_PICK(plain, plain, plain, mve)
#endif
#ifndef NNOM_STATE_S16
#define NNOM_STATE_S16 NNOM_PICK(plain, plain, plain, mve)
#endif

#define NNOM_IS_HERE_plain 1
#define NNOM_IS_HERE_v6m NNOM_HAS_V6M
#define NNOM_IS_HERE_v7m NNOM_HAS_V7M
#define NNOM_IS_HERE_dsp NNOM_HAS_DSP
#define NNOM_IS_HERE_mve NNOM_HAS_MVE
#define NNOM_IS_HERE_cmsis_q7 NNOM_HAS_CMSIS_Q7
#define NNOM_IS_HERE_cmsis_s8 NNOM_HAS_CMSIS_S8
#define NNOM_IS_HERE(choice) NNOM_PASTE(NNOM_IS_HERE_, choice)

#if !NNOM_IS_HERE(NNOM_CONV_S8) || !NNOM_IS_HERE(NNOM_CONV_TRANS_S8) || \
    !NNOM_IS_HERE(NNOM_DEPTHWISE_S8) || !NNOM_IS_HERE(NNOM_DENSE_S8) || \
    !NNOM_IS_HERE(NNOM_DENSE_X4_S8) || !NNOM_IS_HERE(NNOM_DENSE_X2_S16) || \
    !NNOM_IS_HERE(NNOM_MAXPOOL_S8) || !NNOM_IS_HERE(NNOM_AVGPOOL_S8) || \
    !NNOM_IS_HERE(NNOM_SUMPOOL_S8) || !NNOM_IS_HERE(NNOM_ADD_S8) || \
    !NNOM_IS_HERE(NNOM_SUB_S8) || !NNOM_IS_HERE(NNOM_MULT_S8) || \
    !NNOM_IS_HERE(NNOM_RELU_S8) || !NNOM_IS_HERE(NNOM_ADD_S16) || \
    !NNOM_IS_HERE(NNOM_SIGMOID_S16) || !NNOM_IS_HERE(NNOM_TANH_S16) || \
    !NNOM_IS_HERE(NNOM_GATE_S16) || !NNOM_IS_HERE(NNOM_BLEND_S16) || \
    !NNOM_IS_HERE(NNOM_STATE_S16)
#error "NNOM_CONV_S8 or its like names a form of the kernel that this core does not have"
#endif

#define nnom_conv_s8 NNOM_PASTE(nnom_conv_s8_, NNOM_CONV_S8)
#define nnom_conv_trans_s8 NNOM_PASTE(nnom_conv_trans_s8_, NNOM_CONV_TRANS_S8)
#define nnom_depthwise_s8 NNOM_PASTE(nnom_depthwise_s8_, NNOM_DEPTHWISE_S8)
#define nnom_dense_s8 NNOM_PASTE(nnom_dense_s8_, NNOM_DENSE_S8)
#define nnom_dense_x4_s8 NNOM_PASTE(nnom_dense_x4_s8_, NNOM_DENSE_X4_S8)
#define nnom_dense_x2_s16 NNOM_PASTE(nnom_dense_x2_s16_, NNOM_DENSE_X2_S16)
#define nnom_maxpool_s8 NNOM_PASTE(nnom_maxpool_s8_, NNOM_MAXPOOL_S8)
#define nnom_avgpool_s8 NNOM_PASTE(nnom_avgpool_s8_, NNOM_AVGPOOL_S8)
#define nnom_sumpool_s8 NNOM_PASTE(nnom_sumpool_s8_, NNOM_SUMPOOL_S8)
#define nnom_add_s8 NNOM_PASTE(nnom_add_s8_, NNOM_ADD_S8)
#define nnom_sub_s8 NNOM_PASTE(nnom_sub_s8_, NNOM_SUB_S8)
#define nnom_mult_s8 NNOM_PASTE(nnom_mult_s8_, NNOM_MULT_S8)
#define nnom_relu_s8 NNOM_PASTE(nnom_relu_s8_, NNOM_RELU_S8)
#define nnom_add_s16 NNOM_PASTE(nnom_add_s16_, NNOM_ADD_S16)
#define nnom_sigmoid_s16 NNOM_PASTE(nnom_sigmoid_s16_, NNOM_SIGMOID_S16)
#define nnom_tanh_s16 NNOM_PASTE(nnom_tanh_s16_, NNOM_TANH_S16)
#define nnom_gate_s16 NNOM_PASTE(nnom_gate_s16_, NNOM_GATE_S16)
#define nnom_blend_s16 NNOM_PASTE(nnom_blend_s16_, NNOM_BLEND_S16)
#define nnom_state_s16 NNOM_PASTE(nnom_state_s16_, NNOM_STATE_S16)

#define NNOM_PASTE_SCRATCH_(kernel) kernel##_scratch
#define NNOM_PASTE_SCRATCH(kernel) NNOM_PASTE_SCRATCH_(kernel)
#define nnom_conv_s8_scratch NNOM_PASTE_SCRATCH(nnom_conv_s8)
#define nnom_depthwise_s8_scratch NNOM_PASTE_SCRATCH(nnom_depthwise_s8)

/* What a form of CMSIS-NN falls back to. */
#define nnom_own_conv_s8 NNOM_PASTE(nnom_conv_s8_, NNOM_OWN_CONV_S8)
#define nnom_own_conv_s8_scratch NNOM_PASTE_SCRATCH(nnom_own_conv_s8)
#define nnom_own_depthwise_s8 NNOM_PASTE(nnom_depthwise_s8_, NNOM_OWN_DEPTHWISE_S8)
#define nnom_own_depthwise_s8_scratch NNOM_PASTE_SCRATCH(nnom_own_depthwise_s8)
#define nnom_own_dense_s8 NNOM_PASTE(nnom_dense_s8_, NNOM_OWN_DENSE_S8)
#define nnom_own_dense_x4_s8 NNOM_PASTE(nnom_dense_x4_s8_, NNOM_OWN_DENSE_X4_S8)

/* Each operation with the form that was chosen. */
#define NNOM_QUOTE_(text) #text
#define NNOM_QUOTE(text) NNOM_QUOTE_(text)
#define NNOM_KERNEL_NAMES                                                                          \
    "conv_s8=" NNOM_QUOTE(NNOM_CONV_S8)                                                            \
    " conv_trans_s8=" NNOM_QUOTE(NNOM_CONV_TRANS_S8)                                               \
    " depthwise_s8=" NNOM_QUOTE(NNOM_DEPTHWISE_S8)                                                 \
    " dense_s8=" NNOM_QUOTE(NNOM_DENSE_S8)                                                         \
    " dense_x4_s8=" NNOM_QUOTE(NNOM_DENSE_X4_S8)                                                   \
    " dense_x2_s16=" NNOM_QUOTE(NNOM_DENSE_X2_S16)                                                 \
    " maxpool_s8=" NNOM_QUOTE(NNOM_MAXPOOL_S8)                                                     \
    " avgpool_s8=" NNOM_QUOTE(NNOM_AVGPOOL_S8)                                                     \
    " sumpool_s8=" NNOM_QUOTE(NNOM_SUMPOOL_S8)                                                     \
    " add_s8=" NNOM_QUOTE(NNOM_ADD_S8)                                                             \
    " sub_s8=" NNOM_QUOTE(NNOM_SUB_S8)                                                             \
    " mult_s8=" NNOM_QUOTE(NNOM_MULT_S8)                                                           \
    " relu_s8=" NNOM_QUOTE(NNOM_RELU_S8)                                                           \
    " add_s16=" NNOM_QUOTE(NNOM_ADD_S16)                                                           \
    " sigmoid_s16=" NNOM_QUOTE(NNOM_SIGMOID_S16)                                                   \
    " tanh_s16=" NNOM_QUOTE(NNOM_TANH_S16)                                                         \
    " gate_s16=" NNOM_QUOTE(NNOM_GATE_S16)                                                         \
    " blend_s16=" NNOM_QUOTE(NNOM_BLEND_S16)                                                       \
    " state_s16=" NNOM_QUOTE(NNOM_STATE_S16)

#endif
