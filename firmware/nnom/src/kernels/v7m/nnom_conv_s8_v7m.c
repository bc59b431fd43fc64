/* SPDX-License-Identifier: Apache-2.0
 * Convolution of int8 data: two pixels and two filters at once. A word is x0 + x1 * 2^23, so that
 * SMLAL, which the core has without the DSP extension, takes two products; the lower 23 bits hold
 * the sum of 255 of at most 2^14. */
#include "../kernels.h"

#if NNOM_HAS_V7M

#include "finish.h"

#define PAIR_BITS 23 /* with 24, -128 * 2^24 and a negative x0 would leave 32 bits */
#define PAIR_SIGN 1
#define STRETCH 252

static void convolve_pair(const nnom_conv_t *p, const int32_t *words, uint32_t size, int8_t *a,
                          int8_t *b);

#include "../pixel_pairs.h"

#define TAP(x)                                                                                     \
    "ldrsb lr, [%[w0]], #1\n\t"                                                                    \
    "smlal %[al], %[ah], lr, " x "\n\t"                                                            \
    "ldrsb lr, [%[w1]], #1\n\t"                                                                    \
    "smlal %[bl], %[bh], lr, " x "\n\t"
#define TWO_TAPS "ldrd r0, r1, [%[x]], #8\n\t" TAP("r0") TAP("r1")
#define FOUR_TAPS TWO_TAPS TWO_TAPS

/* A filter's sums for two pixels. In halves: compilers for Helium want pairs of registers. */
typedef struct {
    uint32_t low;
    int32_t high;
} sum_t;

/* n taps of two filters, n at least 1; a and b are 0 before. In assembly, because compilers spill
 * some of the eleven registers; four words at a load would take two more, which GCC 14 has not. */
static inline __attribute__((always_inline)) void dot_stretch(const int32_t **x, const int8_t **w0,
                                                              const int8_t **w1, uint32_t n,
                                                              sum_t *a, sum_t *b)
{
#ifdef __OPTIMIZE__ /* else not all of the registers are free */
    __asm__("subs %[n], #8\n\t"
            "blo 2f\n"
            "1:\n\t" FOUR_TAPS FOUR_TAPS
            "subs %[n], #8\n\t"
            "bhs 1b\n"
            "2:\n\t"
            "tst %[n], #4\n\t"
            "beq 3f\n\t" FOUR_TAPS
            "3:\n\t"
            "ands %[n], #3\n\t"
            "beq 5f\n"
            "4:\n\t"
            "ldr r0, [%[x]], #4\n\t" TAP("r0")
            "subs %[n], #1\n\t"
            "bne 4b\n"
            "5:\n\t"
            : [al] "+r"(a->low), [ah] "+r"(a->high), [bl] "+r"(b->low), [bh] "+r"(b->high),
              [x] "+r"(*x), [w0] "+r"(*w0), [w1] "+r"(*w1), [n] "+r"(n)
            :
            : "r0", "r1", "lr", "cc", "memory");
#else
    int64_t sum_a = 0, sum_b = 0;
    for (; n > 0; n--) {
        const int64_t v = *(*x)++;
        sum_a += v * *(*w0)++;
        sum_b += v * *(*w1)++;
    }
    a->low = (uint32_t)sum_a, a->high = (int32_t)(sum_a >> 32);
    b->low = (uint32_t)sum_b, b->high = (int32_t)(sum_b >> 32);
#endif
}

/* What a filter's sum holds of the second pixel, which has lost a carry if the first is negative. */
static inline int32_t high_of(sum_t both)
{
    int32_t high;
    __asm__("lsrs %0, %1, %3\n\t"
            "adc %0, %0, %2, lsl %4\n\t"
            : "=&r"(high)
            : "r"(both.low), "r"(both.high), "i"(PAIR_BITS), "i"(32 - PAIR_BITS)
            : "cc");
    return high;
}

static inline int32_t low_of(sum_t both)
{
    return nnom_scale_up((int32_t)both.low, 32 - PAIR_BITS) >> (32 - PAIR_BITS);
}

/* Of two filters, where they are and their sums. */
typedef struct {
    const int32_t *x;
    const int8_t *w0, *w1;
    int32_t a0, b0, a1, b1;
} progress_t;

static __attribute__((noinline)) void add_stretches(progress_t *at, uint32_t stretches)
{
    at->a0 = 0, at->b0 = 0, at->a1 = 0, at->b1 = 0;
    for (; stretches > 0; stretches--) {
        sum_t f = {0, 0}, g = {0, 0};
        dot_stretch(&at->x, &at->w0, &at->w1, STRETCH, &f, &g);
        at->a0 += low_of(f), at->b0 += high_of(f);
        at->a1 += low_of(g), at->b1 += high_of(g);
    }
}

/* All filters of two pixels, of which b may be a. There are two filters or more; a last one without
 * a partner takes the one before it once more. What a sum starts with is looked up when the sum is
 * there: the products take all registers. */
static __attribute__((noinline)) void convolve_pair(const nnom_conv_t *p, const int32_t *words,
                                                    uint32_t size, int8_t *a, int8_t *b)
{
    const nnom_scale_t *s = &p->scale;
    const uint32_t step = s->per_channel;
    const uint32_t stretches = (size - 1) / STRETCH, last = size - stretches * STRETCH;
    const int8_t *w0 = p->weights;
    for (uint32_t f = 0; f < p->filters; f += 2) {
        if (f + 1 == p->filters) {
            f--, w0 -= size;
        }
        const int8_t *w1 = w0 + size;
        const int32_t *x = words;
        progress_t at;
        if (stretches > 0) {
            at.x = x, at.w0 = w0, at.w1 = w1;
            add_stretches(&at, stretches);
            x = at.x, w0 = at.w0, w1 = at.w1;
        }
        sum_t sum0 = {0, 0}, sum1 = {0, 0};
        dot_stretch(&x, &w0, &w1, last, &sum0, &sum1);
        w0 = w1;
        int32_t a0 = low_of(sum0), b0 = high_of(sum0), a1 = low_of(sum1), b1 = high_of(sum1);
        if (stretches > 0) {
            a0 += at.a0, b0 += at.b0, a1 += at.a1, b1 += at.b1;
        }
        const uint32_t i = f * step;
        const int32_t shift0 = s->out_shift[i], shift1 = s->out_shift[i + step];
        int32_t start0 = nnom_round(shift0), start1 = nnom_round(shift1);
        if (s->bias != NULL) {
            start0 += nnom_scale_up(s->bias[f], s->bias_shift[i]);
            start1 += nnom_scale_up(s->bias[f + 1], s->bias_shift[i + step]);
        }
        a0 = (a0 + start0) >> shift0, b0 = (b0 + start0) >> shift0;
        a1 = (a1 + start1) >> shift1, b1 = (b1 + start1) >> shift1;
        int8_t *to_a = a + f, *to_b = b + f;
        if (s->relu) {
            to_b[0] = saturated_relu(b0), to_a[0] = saturated_relu(a0);
            to_b[1] = saturated_relu(b1), to_a[1] = saturated_relu(a1);
        } else {
            to_b[0] = saturated(b0), to_a[0] = saturated(a0);
            to_b[1] = saturated(b1), to_a[1] = saturated(a1);
        }
    }
}

size_t nnom_conv_s8_v7m_scratch(const nnom_conv_t *p)
{
    return sizeof(int32_t) * taps_of_window(&p->window);
}

void nnom_conv_s8_v7m(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    if (p->scratch == NULL || p->filters == 1) {
        nnom_conv_s8_plain(p, in, out);
    } else {
        convolve_pairs(p, in, out);
    }
}

#endif
