/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights in the order "x4" (docs/numerics.md), read one after another. */
#include "../kernels.h"

#if NNOM_HAS_V7M

#include "finish.h"
#include "groups.h"

/* Returns the next group's weights. */
ASSEMBLY const int8_t *dot_group(const int8_t *x ARGUMENT, const int8_t *w ARGUMENT,
                                 uint32_t n ARGUMENT, int32_t sum[4] ARGUMENT)
{
    __asm__(ENTER_GROUP
            "subs r2, #4\n\t"
            "blo 2f\n"
            "1:\n\t"
            "ldrsb r3, [r0], #2\n\t"
            "ldrsb r12, [r0], #-1\n\t" COLUMNS
            "ldrsb r3, [r0], #2\n\t"
            "ldrsb r12, [r0], #1\n\t" COLUMNS
            "subs r2, #4\n\t"
            "bhs 1b\n"
            "2:\n\t"
            "adds r2, #4\n\t"
            "beq 4f\n"
            "3:\n\t"
            "ldrsb r3, [r0], #1\n\t" LAST_COLUMN
            "subs r2, #1\n\t"
            "bne 3b\n"
            "4:\n\t" LEAVE_GROUP);
}

#include "../dense_x4_groups.h"

void nnom_dense_x4_s8_v7m(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    dense_x4(p, in, out);
}

#endif
