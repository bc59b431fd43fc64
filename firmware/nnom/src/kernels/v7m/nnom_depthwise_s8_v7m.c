/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of int8 data. */
#include "../kernels.h"

#if NNOM_HAS_V7M

#include "finish.h"

/* sum + three taps of a channel, each `next` bytes after the one before; passes the first ones */
static inline int32_t dot_3(const int8_t **x, const int8_t **w, uint32_t next, int32_t sum)
{
    int32_t a, b;
    __asm__("ldrsb %[a], [%[x], %[next]]\n\t"
            "ldrsb %[b], [%[w], %[next]]\n\t"
            "mla %[sum], %[a], %[b], %[sum]\n\t"
            "ldrsb %[a], [%[x], %[next], lsl #1]\n\t"
            "ldrsb %[b], [%[w], %[next], lsl #1]\n\t"
            "mla %[sum], %[a], %[b], %[sum]\n\t"
            "ldrsb %[a], [%[x]], #1\n\t"
            "ldrsb %[b], [%[w]], #1\n\t"
            "mla %[sum], %[a], %[b], %[sum]\n\t"
            : [a] "=&r"(a), [b] "=&r"(b), [x] "+r"(*x), [w] "+r"(*w), [sum] "+r"(sum)
            : [next] "r"(next)
            : "memory");
    return sum;
}

#include "../depthwise_window.h"

size_t nnom_depthwise_s8_v7m_scratch(const nnom_conv_t *p)
{
    return bytes_of_window(p);
}

void nnom_depthwise_s8_v7m(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    if (p->scratch == NULL) {
        nnom_depthwise_s8_plain(p, in, out);
    } else {
        depthwise(p, in, out);
    }
}

#endif
