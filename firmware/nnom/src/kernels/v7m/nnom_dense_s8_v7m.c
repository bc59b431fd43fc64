/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights row by row: four rows at once, a pointer each, which the load
 * moves. */
#include "../kernels.h"

#if NNOM_HAS_V7M

#include "finish.h"

#include "../assembly.h"
#include "../dense_groups.h"

#define COLUMN                                                                                     \
    "ldrsb r3, [r0], #1\n\t"                                                                       \
    "ldrsb lr, [r1], #1\n\t"                                                                       \
    "mla r4, lr, r3, r4\n\t"                                                                       \
    "ldrsb lr, [r8], #1\n\t"                                                                       \
    "mla r5, lr, r3, r5\n\t"                                                                       \
    "ldrsb lr, [r9], #1\n\t"                                                                       \
    "mla r6, lr, r3, r6\n\t"                                                                       \
    "ldrsb lr, [r12], #1\n\t"                                                                      \
    "mla r7, lr, r3, r7\n\t"

/* sum += rows of w, each n long, times x */
ASSEMBLY void dot_4_rows(const int8_t *x ARGUMENT, const int8_t *w ARGUMENT, uint32_t n ARGUMENT,
                         int32_t sum[4] ARGUMENT)
{
    __asm__(".syntax unified\n\t"
            "push {r3, r4, r5, r6, r7, r8, r9, lr}\n\t"
            "ldmia r3, {r4, r5, r6, r7}\n\t"
            "add r8, r1, r2\n\t"
            "add r9, r8, r2\n\t"
            "add r12, r9, r2\n\t"
            "subs r2, #4\n\t"
            "blo 2f\n"
            "1:\n\t" COLUMN COLUMN COLUMN COLUMN
            "subs r2, #4\n\t"
            "bhs 1b\n"
            "2:\n\t"
            "adds r2, #4\n\t"
            "beq 4f\n"
            "3:\n\t" COLUMN
            "subs r2, #1\n\t"
            "bne 3b\n"
            "4:\n\t"
            "pop {r3}\n\t"
            "stmia r3, {r4, r5, r6, r7}\n\t"
            "pop {r4, r5, r6, r7, r8, r9, pc}\n\t");
}

void nnom_dense_s8_v7m(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const uint32_t columns = p->columns, grouped = p->rows & ~3u;
    const int8_t *wt = p->weights;
    for (uint32_t r = 0; r < grouped; r += 4, wt += 4 * columns) {
        int32_t sum[4];
        start_group(&p->scale, r, sum);
        dot_4_rows(in, wt, columns, sum);
        finish_group(&p->scale, r, sum, out);
    }
    finish_rows(p, grouped, grouped, wt, in, out);
}

#endif
