/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int16 data with int8 weights in the order "q7_q15", whose bytes 0 and 2, and 1 and
 * 3, are a pair of columns of one row: what SXTB16 takes apart and SMLAD multiplies. Sums are those
 * of 64 bits, but up to MOST columns' products fit 32. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "dot.h"

#define MOST 504 /* of 2^22 each; a multiple of eight */

static inline int16_t saturated(int32_t value)
{
    __asm__("ssat %0, #16, %1" : "=r"(value) : "r"(value));
    return (int16_t)value;
}

/* Sums of four rows. Not an array, which would stay in memory. */
typedef struct {
    int32_t a, b, c, d;
} sums_t;

static inline sums_t two_columns(uint32_t x, uint32_t first, uint32_t second, sums_t sum)
{
    sum.a = nnom_mac2(x, nnom_even(first), sum.a);
    sum.b = nnom_mac2(x, nnom_odd(first), sum.b);
    sum.c = nnom_mac2(x, nnom_even(second), sum.c);
    sum.d = nnom_mac2(x, nnom_odd(second), sum.d);
    return sum;
}

static inline sums_t one_column(int32_t x, const int8_t *wt, sums_t sum)
{
    sum.a += x * wt[0];
    sum.b += x * wt[1];
    sum.c += x * wt[2];
    sum.d += x * wt[3];
    return sum;
}

/* n columns at any alignment */
static inline sums_t columns_of(const int16_t *in, const int8_t *wt, uint32_t n, sums_t sum)
{
    for (; n >= 2; n -= 2, in += 2, wt += 8) {
        sum = two_columns(nnom_load4((const int8_t *)in), nnom_load4(wt), nnom_load4(wt + 4), sum);
    }
    return n > 0 ? one_column(*in, wt, sum) : sum;
}

/* Four rows whose sums may need 64 bits. */
static __attribute__((noinline)) void four_rows_wide(const nnom_dense_t *p, uint32_t r,
                                                     const int16_t *in, const int8_t *wt,
                                                     int16_t *out)
{
    int64_t sum[4];
    for (uint32_t k = 0; k < 4; k++) {
        sum[k] = nnom_start_wide(&p->scale, r + k);
    }
    for (uint32_t left = p->columns; left > 0;) {
        const uint32_t n = left < MOST ? left : MOST;
        const sums_t none = {0, 0, 0, 0}, part = columns_of(in, wt, n, none);
        sum[0] += part.a;
        sum[1] += part.b;
        sum[2] += part.c;
        sum[3] += part.d;
        in += n;
        wt += 4 * n;
        left -= n;
    }
    for (uint32_t k = 0; k < 4; k++) {
        out[k] = nnom_finish_s16(&p->scale, r + k, sum[k]);
    }
}

/* Whether sums fit 32 bits, whatever the data, and LDRD may load it. */
static bool is_narrow(const nnom_dense_t *p, const int16_t *in)
{
    const nnom_scale_t *s = &p->scale;
    const int64_t bias = s->bias == NULL ? 0 : (int64_t)128 << s->bias_shift[0];
    return (((uintptr_t)in | (uintptr_t)p->weights) & 3u) == 0 && !s->per_channel &&
           bias + nnom_round(s->out_shift[0]) +
                                      ((int64_t)p->columns << 22) <= INT32_MAX;
}

#define LOAD_PAIR(a, b, from) \
    __asm__ volatile("ldrd %0, %1, [%2], #8" : "=&r"(a), "=&r"(b), "+&r"(from) : : "memory")

#define FOUR_COLUMNS                              \
    do {                                          \
        uint32_t x, y, first, second;             \
        LOAD_PAIR(x, y, data);                    \
        LOAD_PAIR(first, second, wt);             \
        sum = two_columns(x, first, second, sum); \
        LOAD_PAIR(first, second, wt);             \
        sum = two_columns(y, first, second, sum); \
    } while (0)

/* Groups of four rows that is_narrow() is right about. */
static __attribute__((noinline)) void dense_narrow(const nnom_dense_t *p, uint32_t grouped,
                                                   const int16_t *in, int16_t *out)
{
    static const int8_t no_bias[4];
    const uint32_t columns = p->columns, step = p->scale.bias == NULL ? 0 : 4;
    const int32_t bias_shift = step == 0 ? 0 : p->scale.bias_shift[0];
    const int32_t shift = p->scale.out_shift[0], round = nnom_round(shift);
    const int8_t *wt = p->weights, *bias = step == 0 ? no_bias : p->scale.bias;
    const int16_t *const end = out + grouped;
    for (; out != end; out += 4, bias += step) {
        const int16_t *data = in;
        sums_t sum = {nnom_scale_up(bias[0], bias_shift) + round,
                      nnom_scale_up(bias[1], bias_shift) + round,
                      nnom_scale_up(bias[2], bias_shift) + round,
                      nnom_scale_up(bias[3], bias_shift) + round};
        for (uint32_t eights = columns / 8; eights > 0; eights--) {
            FOUR_COLUMNS;
            FOUR_COLUMNS;
        }
        if (columns & 4u) {
            FOUR_COLUMNS;
        }
        if (columns & 2u) {
            uint32_t first, second;
            LOAD_PAIR(first, second, wt);
            sum = two_columns(nnom_load4((const int8_t *)data), first, second, sum);
            data += 2;
        }
        if (columns & 1u) {
            sum = one_column(*data, wt, sum);
            wt += 4;
        }
        out[0] = saturated(sum.a >> shift);
        out[1] = saturated(sum.b >> shift);
        out[2] = saturated(sum.c >> shift);
        out[3] = saturated(sum.d >> shift);
    }
}

void nnom_dense_x2_s16_dsp(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    const nnom_scale_t *s = &p->scale;
    const uint32_t columns = p->columns, grouped = p->rows - p->rows % 4u;
    const int8_t *wt = p->weights + grouped * columns;
    if (is_narrow(p, in)) {
        dense_narrow(p, grouped, in, out);
    } else {
        for (uint32_t r = 0; r < grouped; r += 4) {
            four_rows_wide(p, r, in, p->weights + r * columns, out + r);
        }
    }
    for (uint32_t r = grouped; r < p->rows; r++, wt += columns) {
        int64_t sum = nnom_start_wide(s, r);
        for (uint32_t c = 0; c < columns; c++) {
            sum += in[c] * wt[c];
        }
        out[r] = nnom_finish_s16(s, r, sum);
    }
}

#endif
