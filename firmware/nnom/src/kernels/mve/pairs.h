/* SPDX-License-Identifier: Apache-2.0
 * Element-wise loops over two operands, sixteen elements at once; n may be 0. `shift` is a vector
 * register's count for VRSHL and VSHL: negative ones shift right. */
#ifndef NNOM_MVE_PAIRS_H
#define NNOM_MVE_PAIRS_H

#include "vectors.h"

/* q0 and q1 hold the operands; q0 is stored. */
#define NNOM_LOOP_OF_PAIRS(a, b, out, shift, n, instructions)                                      \
    __asm__ volatile("wlstp.8 lr, %[size], 2f\n"                                                   \
                     "1: vldrb.8 q0, [%[x]], #16\n"                                                \
                     "vldrb.8 q1, [%[y]], #16\n" instructions                                      \
                     "vstrb.8 q0, [%[z]], #16\n"                                                   \
                     "letp lr, 1b\n"                                                               \
                     "2:"                                                                          \
                     : [x] "+r"(a), [y] "+r"(b), [z] "+r"(out)                                     \
                     : [by] "r"(shift), [size] "r"(n)                                              \
                     : "lr", "q0", "q1", "q2", "memory")

/* Are halves rounded up? */
static inline bool nnom_rounds_up(void)
{
    return nnom_round(1) != 0;
}

#endif
