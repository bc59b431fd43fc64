/* SPDX-License-Identifier: Apache-2.0
 * Element-wise loops over two operands, sixteen bytes at once; n may be 0. `shift` is a vector
 * register's count for VRSHL and VSHL: negative ones shift right. */
#ifndef NNOM_MVE_PAIRS_H
#define NNOM_MVE_PAIRS_H

#include "vectors.h"

/* q0 and q1 hold the operands; q0 is stored. */
#define NNOM_LOOP_OF_PAIRS(a, b, out, shift, n, instructions)                                      \
    NNOM_LOOP_OF(".8", "vldrb.8", "vstrb.8", a, b, out, shift, n, instructions)
#define NNOM_LOOP_OF_PAIRS_16(a, b, out, shift, n, instructions)                                   \
    NNOM_LOOP_OF(".16", "vldrh.16", "vstrh.16", a, b, out, shift, n, instructions)
#define NNOM_LOOP_OF(width, load, store, a, b, out, shift, n, instructions)                        \
    __asm__ volatile("wlstp" width " lr, %[size], 2f\n"                                            \
                     "1: " load " q0, [%[x]], #16\n" load " q1, [%[y]], #16\n" instructions        \
                     store " q0, [%[z]], #16\n"                                                    \
                     "letp lr, 1b\n"                                                               \
                     "2:"                                                                          \
                     : [x] "+r"(a), [y] "+r"(b), [z] "+r"(out)                                     \
                     : [by] "r"(shift), [size] "r"(n)                                              \
                     : "lr", "q0", "q1", "memory")

/* Are halves rounded up? */
static inline bool nnom_rounds_up(void)
{
    return nnom_round(1) != 0;
}

#endif
