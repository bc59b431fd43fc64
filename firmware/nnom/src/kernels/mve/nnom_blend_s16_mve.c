/* SPDX-License-Identifier: Apache-2.0
 * z * h + (1 - z) * g of int16 elements in Q0.15. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "pairs.h"

/* 1 - z is z with all bits but the sign's turned */
#define LOOP(product)                                                                              \
    __asm__ volatile("vmvn.i16 q3, #0x8000\n"                                                      \
                     "wlstp.16 lr, %[n], 2f\n"                                                     \
                     "1: vldrh.16 q0, [%[z]], #16\n"                                               \
                     "vldrh.16 q1, [%[h]], #16\n" product " q1, q0, q1\n"                          \
                     "veor q0, q0, q3\n"                                                           \
                     "vldrh.16 q2, [%[g]], #16\n" product " q0, q0, q2\n"                          \
                     "vqadd.s16 q0, q0, q1\n"                                                      \
                     "vstrh.16 q0, [%[out]], #16\n"                                                \
                     "letp lr, 1b\n"                                                               \
                     "2:"                                                                          \
                     : [z] "+r"(z), [h] "+r"(h), [g] "+r"(g), [out] "+r"(out)                      \
                     : [n] "r"(n)                                                                  \
                     : "lr", "q0", "q1", "q2", "q3", "memory")

void nnom_blend_s16_mve(const int16_t *z, const int16_t *h, const int16_t *g, int16_t *out,
                        uint32_t n)
{
    if (nnom_rounds_up()) {
        LOOP("vqrdmulh.s16");
    } else {
        LOOP("vqdmulh.s16");
    }
}

#endif
