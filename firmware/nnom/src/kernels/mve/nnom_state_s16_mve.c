/* SPDX-License-Identifier: Apache-2.0
 * i * g + f * c of int16 elements, four at once in 32 bits. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "pairs.h"

#define LOOP(shifted)                                                                              \
    __asm__ volatile("wlstp.32 lr, %[n], 2f\n"                                                     \
                     "1: vldrh.s32 q0, [%[i]], #8\n"                                               \
                     "vldrh.s32 q1, [%[g]], #8\n"                                                  \
                     "vmul.i32 q0, q0, q1\n"                                                       \
                     "vldrh.s32 q1, [%[f]], #8\n"                                                  \
                     "vldrh.s32 q2, [%[c]], #8\n"                                                  \
                     "vmul.i32 q1, q1, q2\n" shifted ".s32 q0, %[by]\n" shifted                    \
                     ".s32 q1, %[by_15]\n"                                                         \
                     "vqmovnb.s32 q0, q0\n"                                                        \
                     "vqmovnb.s32 q1, q1\n"                                                        \
                     "vqadd.s16 q0, q0, q1\n"                                                      \
                     "vstrh.32 q0, [%[out]], #8\n"                                                 \
                     "letp lr, 1b\n"                                                               \
                     "2:"                                                                          \
                     : [i] "+l"(i), [g] "+l"(g), [f] "+l"(f), [c] "+l"(c), [out] "+l"(out)         \
                     : [by] "r"(-shift), [by_15] "r"(-15), [n] "r"(n)                              \
                     : "lr", "q0", "q1", "q2", "memory")

void nnom_state_s16_mve(const int16_t *i, const int16_t *g, const int16_t *f, const int16_t *c,
                        int32_t shift, int16_t *out, uint32_t n)
{
    if (nnom_rounds_up()) {
        LOOP("vrshl");
    } else {
        LOOP("vshl");
    }
}

#endif
