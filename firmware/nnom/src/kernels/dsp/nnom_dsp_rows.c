/* SPDX-License-Identifier: Apache-2.0
 * x with four rows of weights: 23 instructions for 16 products. In assembly, since compilers keep
 * four pointers where one, an offset and its double do. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "rows.h"

#define ROW(sum, weights)                 \
    "sxtb16 r11, " weights "\n"           \
    "sxtb16 " weights ", " weights ", ror #8\n" \
    "smlad  " sum ", r8, r11, " sum "\n"  \
    "smlad  " sum ", r9, " weights ", " sum "\n"

#define QUAD                              \
    "ldr    r8, [r0], #4\n"               \
    "ldr    r10, [r1, r3]\n"              \
    "ldr    lr, [r1, r3, lsl #1]\n"       \
    "sxtb16 r9, r8, ror #8\n"             \
    "sxtb16 r8, r8\n" ROW("r5", "r10")    \
    "ldr    r10, [r1], #4\n" ROW("r6", "lr") \
    "ldr    lr, [r12], #4\n" ROW("r4", "r10") ROW("r7", "lr")

/* r0 x, r1 row 0, r3 from there to row 1, r12 row 3, r4 to r7 sums, r8 and r9 four of x. */
NNOM_NAKED void nnom_dsp_four_rows(const int8_t *x NNOM_UNSEEN, const int8_t *weights NNOM_UNSEEN,
                                   uint32_t n NNOM_UNSEEN, uint32_t apart NNOM_UNSEEN,
                                   int32_t sum[4] NNOM_UNSEEN)
{
    __asm__("push   {r2, r4-r11, lr}\n"
            "ldr    r8, [sp, #40]\n"
            "add    r12, r1, r3\n"
            "add    r12, r12, r3, lsl #1\n"
            "ldm    r8, {r4-r7}\n"
            "lsrs   r2, r2, #3\n"
            "beq    2f\n"
            "1:\n" QUAD QUAD
            "subs   r2, r2, #1\n"
            "bne    1b\n"
            "2:\n"
            "ldr    r2, [sp]\n"
            "tst    r2, #4\n"
            "beq    3f\n" QUAD
            "3:\n"
            "ands   r2, r2, #3\n"
            "beq    5f\n"
            "4:\n"
            "ldrsb  r8, [r0], #1\n"
            "ldrsb  r9, [r1, r3]\n"
            "ldrsb  r10, [r1, r3, lsl #1]\n"
            "ldrsb  r11, [r1], #1\n"
            "ldrsb  lr, [r12], #1\n"
            "mla    r4, r8, r11, r4\n"
            "mla    r5, r8, r9, r5\n"
            "mla    r6, r8, r10, r6\n"
            "mla    r7, r8, lr, r7\n"
            "subs   r2, r2, #1\n"
            "bne    4b\n"
            "5:\n"
            "ldr    r8, [sp, #40]\n"
            "stm    r8, {r4-r7}\n"
            "pop    {r2, r4-r11, pc}\n");
}

#endif
