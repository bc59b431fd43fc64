/* SPDX-License-Identifier: Apache-2.0
 * Windows of up to nine taps, such as 3x3 of one channel: a pixel's taps stay in five registers
 * while a record of each filter passes by. */
#ifndef NNOM_DSP_FEW_H
#define NNOM_DSP_FEW_H

#include "dot.h"

#define NNOM_FEW 9

/* The assembly knows where its members are. pairs: taps 0 and 2, 1 and 3, 4 and 6, 5 and 7, 8. */
typedef struct {
    int32_t start;
    uint32_t pairs[5];
    int32_t out_shift;
} nnom_record_t;

#define NNOM_FEW_FILTER(saturate)        \
    "ldmia  r0!, {r8-r12, lr}\n"         \
    "smlad  r8, r3, r9, r8\n"            \
    "ldr    r9, [r0], #4\n"              \
    "smlad  r8, r4, r10, r8\n"           \
    "smlad  r8, r5, r11, r8\n"           \
    "smlad  r8, r6, r12, r8\n"           \
    "smlad  r8, r7, lr, r8\n"            \
    "asr    r8, r8, r9\n"                \
    saturate "\n"                        \
    "strb   r8, [r2], #1\n"

/* All results of `count` pixels, whose windows are three cells from src, three that lie step_y
 * behind these, and three more; the next pixel's lie step_x behind. r0 the next record, r1 the end
 * of them, r2 the result, r3 to r7 the pixel's taps, r8 the sum, r9 to r12 and lr the filter's
 * taps. */
#define NNOM_FEW_FILTERS(name, saturate)                                                           \
    NNOM_NAKED static void name(                                                                   \
        const nnom_record_t *records NNOM_UNSEEN,                                                  \
        const nnom_record_t *end NNOM_UNSEEN, int8_t *out NNOM_UNSEEN,                             \
        const int8_t *src NNOM_UNSEEN, int32_t step_y NNOM_UNSEEN,                                 \
        int32_t step_x NNOM_UNSEEN, uint32_t count NNOM_UNSEEN,                                    \
        uint32_t is_odd NNOM_UNSEEN)                                                               \
    {                                                                                              \
        __asm__("push   {r0, r3-r11, lr}\n"                                                        \
                "0:\n"                                                                             \
                "ldr    r12, [sp, #4]\n"                                                           \
                "ldrd   r9, r10, [sp, #44]\n"                                                      \
                "add    r10, r12, r10\n"                                                           \
                "str    r10, [sp, #4]\n"                                                           \
                "ldrsb  r3, [r12]\n"                                                               \
                "ldrsb  r8, [r12, #2]\n"                                                           \
                "ldrsb  r4, [r12, #1]\n"                                                           \
                "pkhbt  r3, r3, r8, lsl #16\n"                                                     \
                "add    r12, r12, r9\n"                                                            \
                "ldrsb  r8, [r12]\n"                                                               \
                "ldrsb  r5, [r12, #1]\n"                                                           \
                "ldrsb  r6, [r12, #2]\n"                                                           \
                "pkhbt  r4, r4, r8, lsl #16\n"                                                     \
                "add    r12, r12, r9\n"                                                            \
                "ldrsb  r8, [r12]\n"                                                               \
                "ldrsb  r9, [r12, #1]\n"                                                           \
                "ldrsb  r7, [r12, #2]\n"                                                           \
                "ldr    r0, [sp]\n"                                                                \
                "ldr    r10, [sp, #56]\n"                                                          \
                "pkhbt  r5, r5, r8, lsl #16\n"                                                     \
                "pkhbt  r6, r6, r9, lsl #16\n"                                                     \
                "cmp    r10, #0\n"                                                                 \
                "bne    2f\n"                                                                      \
                "1:\n" NNOM_FEW_FILTER(saturate)                                                   \
                "2:\n" NNOM_FEW_FILTER(saturate)                                                   \
                "cmp    r0, r1\n"                                                                  \
                "bne    1b\n"                                                                      \
                "ldr    r3, [sp, #52]\n"                                                           \
                "subs   r3, r3, #1\n"                                                              \
                "str    r3, [sp, #52]\n"                                                           \
                "bne    0b\n"                                                                      \
                "pop    {r0, r3-r11, pc}\n");                                                      \
    }

NNOM_FEW_FILTERS(nnom_few_filters, "ssat r8, #8, r8")
NNOM_FEW_FILTERS(nnom_few_filters_relu, "usat r8, #7, r8")

#endif
