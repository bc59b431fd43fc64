/* SPDX-License-Identifier: Apache-2.0
 * Four rows of interleaved weights (docs/numerics.md), read one after another, in functions in
 * assembly. Arguments: x, w, n, sum. r0 passes x, r1 w, r2 is n; the sums are in r4 to r7. */
#ifndef NNOM_V7M_GROUPS_H
#define NNOM_V7M_GROUPS_H

#include "../assembly.h"

#define ENTER_GROUP                                                                                \
    ".syntax unified\n\t"                                                                          \
    "push {r3, r4, r5, r6, r7, lr}\n\t"                                                            \
    "ldmia r3, {r4, r5, r6, r7}\n\t"

/* Returns r1. */
#define LEAVE_GROUP                                                                                \
    "pop {r3}\n\t"                                                                                 \
    "stmia r3, {r4, r5, r6, r7}\n\t"                                                               \
    "mov r0, r1\n\t"                                                                               \
    "pop {r4, r5, r6, r7, pc}\n\t"

#define WEIGHT(sum, x)                                                                             \
    "ldrsb lr, [r1], #1\n\t"                                                                       \
    "mla " sum ", lr, " x ", " sum "\n\t"

/* Two columns, whose data are in r3 and r12. */
#define COLUMNS                                                                                    \
    WEIGHT("r4", "r3") WEIGHT("r5", "r3") WEIGHT("r4", "r12") WEIGHT("r5", "r12")                  \
    WEIGHT("r6", "r3") WEIGHT("r7", "r3") WEIGHT("r6", "r12") WEIGHT("r7", "r12")

/* A column that has no partner, r3. */
#define LAST_COLUMN WEIGHT("r4", "r3") WEIGHT("r5", "r3") WEIGHT("r6", "r3") WEIGHT("r7", "r3")

#endif
