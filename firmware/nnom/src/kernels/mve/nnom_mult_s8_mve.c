/* SPDX-License-Identifier: Apache-2.0
 * Products of int8 elements: those of even and of odd ones in 16 bits. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "vectors.h"

/* The last fifteen at most are widened as they are loaded: bytes that are cut off one by one would
 * leave half a product. */
#define LOOPS(shift_of)                                                                            \
    __asm__ volatile("wls lr, %[many], 2f\n"                                                       \
                     "1: vldrb.8 q0, [%[a]], #16\n"                                                \
                     "vldrb.8 q1, [%[b]], #16\n"                                                   \
                     "vmullb.s8 q2, q0, q1\n"                                                      \
                     "vmullt.s8 q1, q0, q1\n" shift_of ".s16 q2, %[by]\n" shift_of                 \
                     ".s16 q1, %[by]\n"                                                            \
                     "vqmovnb.s16 q0, q2\n"                                                        \
                     "vqmovnt.s16 q0, q1\n"                                                        \
                     "vstrb.8 q0, [%[out]], #16\n"                                                 \
                     "le lr, 1b\n"                                                                 \
                     "2: wlstp.16 lr, %[rest], 4f\n"                                               \
                     "3: vldrb.s16 q0, [%[a]], #8\n"                                               \
                     "vldrb.s16 q1, [%[b]], #8\n"                                                  \
                     "vmul.i16 q0, q0, q1\n" shift_of ".s16 q0, %[by]\n"                           \
                     "vqmovnb.s16 q0, q0\n"                                                        \
                     "vstrb.16 q0, [%[out]], #8\n"                                                 \
                     "letp lr, 3b\n"                                                               \
                     "4:"                                                                          \
                     : [a] "+l"(a), [b] "+l"(b), [out] "+l"(out)                                   \
                     : [by] "r"(-shift), [many] "r"(n / 16), [rest] "r"(n % 16)                    \
                     : "lr", "q0", "q1", "q2", "memory")

void nnom_mult_s8_mve(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift, uint32_t n)
{
    if (nnom_round(1) != 0) {
        LOOPS("vrshl");
    } else { /* NNOM_TRUNCATE */
        LOOPS("vshl");
    }
}

#endif
