/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights in the order "x4", read one after another. */
#include "../kernels.h"

#if NNOM_HAS_V6M

#include "finish.h"
#include "groups.h"

/* Returns the next group's weights. */
ASSEMBLY const int8_t *dot_group(const int8_t *x ARGUMENT, const int8_t *w ARGUMENT,
                                 uint32_t n ARGUMENT, int32_t sum[4] ARGUMENT)
{
    __asm__(ENTER_GROUP
            "push {r2}\n\t"
            "mov r12, r0\n\t"
            "lsrs r2, r2, #2\n\t"
            "lsls r2, r2, #2\n\t"
            "adds r2, r2, r0\n\t"
            "mov lr, r2\n\t" OFFSETS
            "cmp r12, lr\n\t"
            "beq 2f\n"
            "1:\n\t"
            "mov r3, r12\n\t"
            "ldrsb r0, [r3, r4]\n\t"
            "ldrsb r2, [r3, r6]\n\t" COLUMNS
            "mov r3, r12\n\t"
            "ldrsb r0, [r3, r5]\n\t"
            "ldrsb r2, [r3, r7]\n\t" COLUMNS
            "add r12, r5\n\t"
            "add r12, r7\n\t"
            "cmp r12, lr\n\t"
            "bne 1b\n"
            "2:\n\t"
            "pop {r2}\n\t"
            "ands r2, r7\n\t"
            "beq 4f\n"
            "3:\n\t"
            "mov r3, r12\n\t"
            "ldrsb r0, [r3, r4]\n\t" LAST_COLUMN
            "add r12, r5\n\t"
            "subs r2, #1\n\t"
            "bne 3b\n"
            "4:\n\t" LEAVE_GROUP);
}

#include "../dense_x4_groups.h"

void nnom_dense_x4_s8_v6m(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    dense_x4(p, in, out);
}

#endif
