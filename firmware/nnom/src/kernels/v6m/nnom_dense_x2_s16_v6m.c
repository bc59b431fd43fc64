/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int16 data, weights in the order "q7_q15", read one after another. */
#include "../kernels.h"

#if NNOM_HAS_V6M

#include "finish.h"
#include "groups.h"

/* Returns the next group's weights. */
ASSEMBLY const int8_t *dot_group(const int16_t *x ARGUMENT, const int8_t *w ARGUMENT,
                                 uint32_t n ARGUMENT, int32_t sum[4] ARGUMENT)
{
    __asm__(ENTER_GROUP
            "push {r2}\n\t"
            "mov r12, r0\n\t"
            "lsrs r2, r2, #1\n\t"
            "lsls r2, r2, #2\n\t"
            "adds r2, r2, r0\n\t"
            "mov lr, r2\n\t" OFFSETS
            "cmp r12, lr\n\t"
            "beq 2f\n"
            "1:\n\t"
            "mov r3, r12\n\t"
            "ldrsh r0, [r3, r4]\n\t"
            "ldrsh r2, [r3, r6]\n\t" COLUMNS
            "add r12, r5\n\t"
            "add r12, r7\n\t"
            "cmp r12, lr\n\t"
            "bne 1b\n"
            "2:\n\t"
            "pop {r2}\n\t"
            "ands r2, r5\n\t"
            "beq 3f\n\t"
            "mov r3, r12\n\t"
            "ldrsh r0, [r3, r4]\n\t" LAST_COLUMN
            "3:\n\t" LEAVE_GROUP);
}

#include "../wide_groups.h"

void nnom_dense_x2_s16_v6m(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    dense_x2(p, in, out);
}

#endif
