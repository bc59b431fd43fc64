/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int16 data, weights in the order "q7_q15", read one after another. */
#include "../kernels.h"

#if NNOM_HAS_V7M

#include "finish.h"
#include "groups.h"

/* Returns the next group's weights. */
ASSEMBLY const int8_t *dot_group(const int16_t *x ARGUMENT, const int8_t *w ARGUMENT,
                                 uint32_t n ARGUMENT, int32_t sum[4] ARGUMENT)
{
    __asm__(ENTER_GROUP
            "subs r2, #4\n\t"
            "blo 2f\n"
            "1:\n\t"
            "ldrsh r3, [r0], #2\n\t"
            "ldrsh r12, [r0], #2\n\t" COLUMNS
            "ldrsh r3, [r0], #2\n\t"
            "ldrsh r12, [r0], #2\n\t" COLUMNS
            "subs r2, #4\n\t"
            "bhs 1b\n"
            "2:\n\t"
            "tst r2, #2\n\t"
            "beq 3f\n\t"
            "ldrsh r3, [r0], #2\n\t"
            "ldrsh r12, [r0], #2\n\t" COLUMNS
            "3:\n\t"
            "tst r2, #1\n\t"
            "beq 4f\n\t"
            "ldrsh r3, [r0], #2\n\t" LAST_COLUMN
            "4:\n\t" LEAVE_GROUP);
}

#include "../wide_groups.h"

void nnom_dense_x2_s16_v7m(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    dense_x2(p, in, out);
}

#endif
