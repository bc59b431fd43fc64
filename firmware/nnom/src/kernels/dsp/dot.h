/* SPDX-License-Identifier: Apache-2.0
 * Dot products of int8 vectors on cores with the DSP extension. */
#ifndef NNOM_DSP_DOT_H
#define NNOM_DSP_DOT_H

#include "../requantise.h"

/* A function in assembly, and a parameter that only it looks at. */
#define NNOM_NAKED __attribute__((naked, noinline))
#define NNOM_UNSEEN __attribute__((unused))

/* Compilers see SSAT in C only now and then. */
static inline int8_t nnom_saturated(int32_t value)
{
    __asm__("ssat %0, #8, %1" : "=r"(value) : "r"(value));
    return (int8_t)value;
}

static inline int8_t nnom_finish(const nnom_scale_t *s, uint32_t channel, int32_t sum)
{
    const int8_t value = nnom_saturated(sum >> nnom_out_shift(s, channel));
    return s->relu && value < 0 ? 0 : value;
}

/* Four bytes from any address in one load. */
static inline uint32_t nnom_load4(const int8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* bytes 0 and 2 as two int16 */
static inline uint32_t nnom_even(uint32_t bytes)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(bytes));
    return pair;
}

/* bytes 1 and 3 as two int16; the rotation is part of the instruction */
static inline uint32_t nnom_odd(uint32_t bytes)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(bytes));
    return pair;
}

/* Four bytes as two words: 0 and 2, 1 and 3; dst, at a multiple of 4, moves on by step bytes. */
#define NNOM_EXPAND(dst, bytes, step)                                                              \
    do {                                                                                           \
        uint32_t even_, odd_;                                                                      \
        __asm__ volatile("sxtb16 %0, %3\n\t"                                                       \
                         "sxtb16 %1, %3, ror #8\n\t"                                               \
                         "strd %0, %1, [%2], %4"                                                   \
                         : "=&r"(even_), "=&r"(odd_), "+r"(dst)                                    \
                         : "r"(bytes), "i"(step)                                                   \
                         : "memory");                                                              \
    } while (0)

/* Adds bytes 0 and 2 to even, 1 and 3 to odd. */
static inline void nnom_add_pairs(uint32_t *even, uint32_t *odd, uint32_t bytes)
{
    __asm__("sxtab16 %0, %0, %1" : "+r"(*even) : "r"(bytes));
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(*odd) : "r"(bytes));
}

/* sum + a0*b0 + a1*b1 */
static inline int32_t nnom_mac2(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

static inline int32_t nnom_mac4(uint32_t even, uint32_t odd, const int8_t *w, int32_t sum)
{
    const uint32_t bytes = nnom_load4(w);
    sum = nnom_mac2(even, nnom_even(bytes), sum);
    return nnom_mac2(odd, nnom_odd(bytes), sum);
}

static inline int32_t nnom_dot(const int8_t *x, const int8_t *w, uint32_t n, int32_t sum)
{
    for (; n >= 4; n -= 4, x += 4, w += 4) {
        const uint32_t bytes = nnom_load4(x);
        sum = nnom_mac4(nnom_even(bytes), nnom_odd(bytes), w, sum);
    }
    for (; n > 0; n--) {
        sum += *x++ * *w++;
    }
    return sum;
}

/* x[0..3] with one tile of interleaved dense weights (docs/numerics.md) */
static inline void nnom_dot_tile(const int8_t *x, const int8_t *m, int32_t sum[4])
{
    const uint32_t bytes = nnom_load4(x);
    const uint32_t even = nnom_even(bytes), odd = nnom_odd(bytes);
    const uint32_t a = nnom_load4(m), b = nnom_load4(m + 4), c = nnom_load4(m + 8),
                   d = nnom_load4(m + 12);
    sum[0] = nnom_mac2(odd, nnom_even(c), nnom_mac2(even, nnom_even(a), sum[0]));
    sum[1] = nnom_mac2(odd, nnom_odd(c), nnom_mac2(even, nnom_odd(a), sum[1]));
    sum[2] = nnom_mac2(odd, nnom_even(d), nnom_mac2(even, nnom_even(b), sum[2]));
    sum[3] = nnom_mac2(odd, nnom_odd(d), nnom_mac2(even, nnom_odd(b), sum[3]));
}

#endif
