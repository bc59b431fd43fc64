/* SPDX-License-Identifier: Apache-2.0
 * Functions in assembly that multiply four rows of weights at once: all eight low registers are in
 * use, so compilers cannot be told of them as of operands. Arguments: x, w, n, sum. Sums are in r8
 * to r11, where ADD reaches them. */
#ifndef NNOM_V6M_GROUPS_H
#define NNOM_V6M_GROUPS_H

#include "../assembly.h"

#define ENTER_GROUP                                                                                \
    ".syntax unified\n\t"                                                                          \
    "push {r3, r4, r5, r6, r7, lr}\n\t"                                                            \
    "mov r4, r8\n\t"                                                                               \
    "mov r5, r9\n\t"                                                                               \
    "mov r6, r10\n\t"                                                                              \
    "mov r7, r11\n\t"                                                                              \
    "push {r4, r5, r6, r7}\n\t"                                                                    \
    "ldmia r3!, {r4, r5, r6, r7}\n\t"                                                              \
    "mov r8, r4\n\t"                                                                               \
    "mov r9, r5\n\t"                                                                               \
    "mov r10, r6\n\t"                                                                              \
    "mov r11, r7\n\t"

/* Returns r1. */
#define LEAVE_GROUP                                                                                \
    "mov r4, r8\n\t"                                                                               \
    "mov r5, r9\n\t"                                                                               \
    "mov r6, r10\n\t"                                                                              \
    "mov r7, r11\n\t"                                                                              \
    "ldr r3, [sp, #16]\n\t"                                                                        \
    "stmia r3!, {r4, r5, r6, r7}\n\t"                                                              \
    "pop {r4, r5, r6, r7}\n\t"                                                                     \
    "mov r8, r4\n\t"                                                                               \
    "mov r9, r5\n\t"                                                                               \
    "mov r10, r6\n\t"                                                                              \
    "mov r11, r7\n\t"                                                                              \
    "mov r0, r1\n\t"                                                                               \
    "pop {r3, r4, r5, r6, r7, pc}\n\t"

/* ---- interleaved weights (docs/numerics.md): r1 passes them, r12 the data ---------------------- */

/* Offsets; lr: where the data end that come in groups of four. */
#define OFFSETS                                                                                    \
    "movs r4, #0\n\t"                                                                              \
    "movs r5, #1\n\t"                                                                              \
    "movs r6, #2\n\t"                                                                              \
    "movs r7, #3\n\t"

#define WEIGHT(offset, x, sum)                                                                     \
    "ldrsb r3, [r1, " offset "]\n\t"                                                               \
    "muls r3, " x ", r3\n\t"                                                                       \
    "add " sum ", r3\n\t"

/* Two columns, whose data are in r0 and r2. */
#define COLUMNS                                                                                    \
    WEIGHT("r4", "r0", "r8") WEIGHT("r5", "r0", "r9") WEIGHT("r6", "r2", "r8")                     \
    WEIGHT("r7", "r2", "r9") "adds r1, #4\n\t"                                                     \
    WEIGHT("r4", "r0", "r10") WEIGHT("r5", "r0", "r11") WEIGHT("r6", "r2", "r10")                  \
    WEIGHT("r7", "r2", "r11") "adds r1, #4\n\t"

/* A column that has no partner, r0. */
#define LAST_COLUMN                                                                                \
    WEIGHT("r4", "r0", "r8") WEIGHT("r5", "r0", "r9") WEIGHT("r6", "r0", "r10")                    \
    WEIGHT("r7", "r0", "r11") "adds r1, #4\n\t"

#endif
