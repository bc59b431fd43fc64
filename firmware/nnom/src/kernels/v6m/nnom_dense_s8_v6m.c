/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights row by row: four rows at once. */
#include "../kernels.h"

#if NNOM_HAS_V6M

#include "finish.h"
#include "groups.h"

#include "../dense_groups.h"

#define WEIGHT_OF(row, sum)                                                                        \
    "ldrsb r7, [" row ", r2]\n\t"                                                                  \
    "muls r7, r3, r7\n\t"                                                                          \
    "add " sum ", r7\n\t"
#define COLUMN                                                                                     \
    "ldrsb r3, [r0, r2]\n\t" WEIGHT_OF("r1", "r8") WEIGHT_OF("r4", "r9") WEIGHT_OF("r5", "r10")    \
    WEIGHT_OF("r6", "r11") "adds r2, #1\n\t"

/* sum += rows of w, each n long, times x; r2 counts up from -n to 0. Returns the end of row 0. */
ASSEMBLY const int8_t *dot_4_rows(const int8_t *x ARGUMENT, const int8_t *w ARGUMENT,
                                  uint32_t n ARGUMENT, int32_t sum[4] ARGUMENT)
{
    __asm__(ENTER_GROUP
            "adds r0, r0, r2\n\t"
            "adds r1, r1, r2\n\t"
            "adds r4, r1, r2\n\t"
            "adds r5, r4, r2\n\t"
            "adds r6, r5, r2\n\t"
            "rsbs r2, r2, #0\n"
            "1:\n\t"
            "lsls r3, r2, #30\n\t"
            "beq 2f\n\t" COLUMN
            "b 1b\n"
            "2:\n\t"
            "cmp r2, #0\n\t"
            "beq 4f\n"
            "3:\n\t" COLUMN COLUMN COLUMN COLUMN
            "bne 3b\n"
            "4:\n\t" LEAVE_GROUP);
}

void nnom_dense_s8_v6m(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const uint32_t columns = p->columns, grouped = p->rows & ~3u;
    const int8_t *wt = p->weights;
    for (uint32_t r = 0; r < grouped; r += 4, wt += 4 * columns) {
        int32_t sum[4];
        start_group(&p->scale, r, sum);
        (void)dot_4_rows(in, wt, columns, sum);
        finish_group(&p->scale, r, sum, out);
    }
    finish_rows(p, grouped, grouped, wt, in, out);
}

#endif
