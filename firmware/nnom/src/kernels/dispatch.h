/* SPDX-License-Identifier: Apache-2.0
 * Which form of a kernel runs: decided here, when the library is compiled, and nowhere else. The
 * best that the core has, unless NNOM_KERNELS (port/nnom_port.h) says plain; for one operation
 * -DNNOM_CONV_S8=plain says it. */
#ifndef NNOM_DISPATCH_H
#define NNOM_DISPATCH_H

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED)
#define NNOM_HAS_DSP 1
#else
#define NNOM_HAS_DSP 0
#endif

#define NNOM_PASTE_(a, b) a##b
#define NNOM_PASTE(a, b) NNOM_PASTE_(a, b)
#define NNOM_ONLY_plain 1
#define NNOM_IS_A_CHOICE_auto 1
#define NNOM_IS_A_CHOICE_plain 1

#if !NNOM_PASTE(NNOM_IS_A_CHOICE_, NNOM_KERNELS)
#error "NNOM_KERNELS is auto or plain"
#endif

#if NNOM_HAS_DSP && !NNOM_PASTE(NNOM_ONLY_, NNOM_KERNELS)
#define NNOM_DSP_OR_PLAIN dsp
#else
#define NNOM_DSP_OR_PLAIN plain
#endif

#ifndef NNOM_CONV_S8
#define NNOM_CONV_S8 NNOM_DSP_OR_PLAIN
#endif
#ifndef NNOM_DENSE_S8
#define NNOM_DENSE_S8 NNOM_DSP_OR_PLAIN
#endif
#ifndef NNOM_DENSE_X4_S8
#define NNOM_DENSE_X4_S8 NNOM_DSP_OR_PLAIN
#endif

#define NNOM_IS_HERE_plain 1
#define NNOM_IS_HERE_dsp NNOM_HAS_DSP

#if !NNOM_PASTE(NNOM_IS_HERE_, NNOM_CONV_S8) || !NNOM_PASTE(NNOM_IS_HERE_, NNOM_DENSE_S8) || \
    !NNOM_PASTE(NNOM_IS_HERE_, NNOM_DENSE_X4_S8)
#error "NNOM_CONV_S8 or its like names a form of the kernel that this core does not have"
#endif

#define nnom_conv_s8 NNOM_PASTE(nnom_conv_s8_, NNOM_CONV_S8)
#define nnom_dense_s8 NNOM_PASTE(nnom_dense_s8_, NNOM_DENSE_S8)
#define nnom_dense_x4_s8 NNOM_PASTE(nnom_dense_x4_s8_, NNOM_DENSE_X4_S8)
#define nnom_depthwise_s8 nnom_depthwise_s8_plain
#define nnom_maxpool_s8 nnom_maxpool_s8_plain

#endif
