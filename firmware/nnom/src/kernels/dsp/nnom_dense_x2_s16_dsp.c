/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int16 data with int8 weights in the order "q7_q15", whose bytes 0 and 2, and 1
 * and 3, are a pair of columns of one row: what SXTB16 takes apart and SMLAD multiplies. Sums are
 * those of 64 bits, but up to MOST columns' products fit 32. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "dot.h"

#define MOST 504 /* of 2^22 each; a multiple of eight */

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

/* The assembly knows where its members are. */
typedef struct {
    const int16_t *in;
    uint32_t columns;
    const int8_t *bias;   /* moves on */
    int32_t factor;       /* 2^bias_shift */
    int32_t round;
    int16_t *out, *end;   /* out moves on */
    int32_t out_shift;
    const int8_t *weights;
} job_t;

/* Weights of two columns, which meet those of x. */
#define TWO_COLUMNS(x)                       \
    "ldrd   r7, r12, [r1], #8\n"             \
    "sxtb16 lr, r7\n"                        \
    "sxtb16 r7, r7, ror #8\n"                \
    "smlad  r8, " x ", lr, r8\n"             \
    "smlad  r9, " x ", r7, r9\n"             \
    "sxtb16 lr, r12\n"                       \
    "sxtb16 r12, r12, ror #8\n"              \
    "smlad  r10, " x ", lr, r10\n"           \
    "smlad  r11, " x ", r12, r11\n"

#define ONE_ROW(byte, sum)                   \
    "ldrsb  r7, [r1, #" byte "]\n"           \
    "smlabb " sum ", r3, r7, " sum "\n"

/* Groups of four rows that is_narrow() is right about: 37 instructions for 32 products. r0 x, r1
 * weights, r2 columns, r3 to r6 eight of x, r7, r12 and lr weights, r8 to r11 sums. */
NNOM_NAKED static void groups_of(job_t *job NNOM_UNSEEN)
{
    __asm__("push   {r0, r4-r11, lr}\n"
            "ldr    r1, [r0, #32]\n"
            "0:\n"
            "ldr    r12, [sp]\n"
            "ldm    r12, {r0, r2-r5}\n"
            "ldrsb  r8, [r3], #1\n"
            "ldrsb  r9, [r3], #1\n"
            "ldrsb  r10, [r3], #1\n"
            "ldrsb  r11, [r3], #1\n"
            "str    r3, [r12, #8]\n"
            "mla    r8, r8, r4, r5\n"
            "mla    r9, r9, r4, r5\n"
            "mla    r10, r10, r4, r5\n"
            "mla    r11, r11, r4, r5\n"
            "subs   r2, r2, #8\n"
            "blo    2f\n"
            "1:\n"
            "ldmia  r0!, {r3-r6}\n"
            TWO_COLUMNS("r3") TWO_COLUMNS("r4") TWO_COLUMNS("r5") TWO_COLUMNS("r6")
            "subs   r2, r2, #8\n"
            "bhs    1b\n"
            "2:\n"
            "lsls   r2, r2, #30\n" /* four left: carry; two: negative */
            "bcc    3f\n"
            "ldmia  r0!, {r3, r4}\n" TWO_COLUMNS("r3") TWO_COLUMNS("r4")
            "3:\n"
            "bpl    4f\n"
            "ldr    r3, [r0], #4\n" TWO_COLUMNS("r3")
            "4:\n"
            "lsls   r2, r2, #1\n"
            "bpl    5f\n"
            "ldrsh  r3, [r0]\n"
            ONE_ROW("0", "r8") ONE_ROW("1", "r9") ONE_ROW("2", "r10") ONE_ROW("3", "r11")
            "add    r1, r1, #4\n"
            "5:\n"
            "ldr    r12, [sp]\n"
            "add    r2, r12, #20\n"
            "ldm    r2, {r3-r5}\n" /* out, end, out_shift */
            "asr    r8, r8, r5\n"
            "asr    r9, r9, r5\n"
            "asr    r10, r10, r5\n"
            "asr    r11, r11, r5\n"
            "ssat   r8, #16, r8\n"
            "ssat   r9, #16, r9\n"
            "ssat   r10, #16, r10\n"
            "ssat   r11, #16, r11\n"
            "strh   r8, [r3], #2\n"
            "strh   r9, [r3], #2\n"
            "strh   r10, [r3], #2\n"
            "strh   r11, [r3], #2\n"
            "str    r3, [r12, #20]\n"
            "cmp    r3, r4\n"
            "bne    0b\n"
            "pop    {r0, r4-r11, pc}\n");
}

static void dense_narrow(const nnom_dense_t *p, uint32_t grouped, const int16_t *in, int16_t *out)
{
    const nnom_scale_t *s = &p->scale;
    const bool has_bias = s->bias != NULL; /* else some bytes times 0 */
    job_t job = {in, p->columns, has_bias ? s->bias : p->weights,
                 has_bias ? nnom_scale_up(1, s->bias_shift[0]) : 0, nnom_round(s->out_shift[0]),
                 out, out + grouped, s->out_shift[0], p->weights};
    if (grouped > 0) {
        groups_of(&job);
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
