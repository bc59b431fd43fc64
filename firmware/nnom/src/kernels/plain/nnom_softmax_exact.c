/* SPDX-License-Identifier: Apache-2.0
 * Softmax to base e, in integers. For x_i = in_i * 2^-dec and d_i = max - in_i,
 *
 *     p_i = e^(x_i - max x) / sum = 2^-t_i / sum of all 2^-t,   t_i = d_i * 2^-dec * log2(e).
 *
 * Powers are Q0.31, so the largest, 2^31 for d = 0, is exact and their sum is at least that. Their
 * relative error is below 2^-20: 2^-20 ln 2 from t, which is cut to 20 fraction bits, and 2^-22
 * from the polynomial. Cutting each to 31 bits takes at most n * 2^-31 from a sum of n, and the
 * reciprocal is cut by less than 2^-31 of 1. So before it is rounded to 2^-7 (int8) or 2^-15
 * (int16), a result is wrong by less than 2^-19 + (n + 2) * 2^-31. */
#include "../kernels.h"

#define T_BITS 20          /* fraction bits of t */
#define LOG2_E 1549082005u /* in Q2.30 */
#define ONE 0x80000000u    /* in Q1.31 */

/* a * b / 2^32 */
static uint32_t high(uint32_t a, uint32_t b)
{
    return (uint32_t)(((uint64_t)a * b) >> 32);
}

/* 2^-t in Q0.31. Between two integers a polynomial through both, so that larger t never give more. */
static uint32_t power(uint64_t t)
{
    if (t >= (uint64_t)32 << T_BITS) {
        return 0;
    }
    const uint32_t f = (uint32_t)t << (32 - T_BITS); /* the fraction, in Q0.32 */
    uint32_t y = 19784458u - high(2034029u, f);
    y = 118765909u - high(y, f);
    y = 515789246u - high(y, f);
    y = 1488515590u - high(y, f);
    return (ONE - high(y, f)) >> (t >> T_BITS);
}

/* Bits that d * LOG2_E is shifted right to give t. With dec below -5 a difference of one is 64 or
 * more, and with -5 it is 32: either way e^-32 < 2^-46 is nothing. Above 40 no difference counts. */
static uint32_t shift_for(int32_t dec)
{
    const int32_t held = dec < -5 ? -5 : dec > 40 ? 40 : dec;
    return (uint32_t)(30 - T_BITS + held);
}

typedef struct {
    const void *in;
    uint32_t size, shift;
    int32_t max;
    bool wide; /* int16 data */
} vector_t;

static int32_t value(const vector_t *v, uint32_t i)
{
    return v->wide ? ((const int16_t *)v->in)[i] : ((const int8_t *)v->in)[i];
}

static uint32_t power_of(const vector_t *v, uint32_t i)
{
    return power((uint64_t)(uint32_t)(v->max - value(v, i)) * LOG2_E >> v->shift);
}

/* Finds the largest element; returns the reciprocal of the sum of all powers, in Q1.31. */
static uint32_t normalise(vector_t *v)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < v->size; i++) {
        v->max = value(v, i) > v->max ? value(v, i) : v->max;
    }
    for (uint32_t i = 0; i < v->size; i++) {
        sum += power_of(v, i);
    }
    return (uint32_t)(((uint64_t)1 << 62) / (sum == 0 ? ONE : sum));
}

void nnom_softmax_s8(const int8_t *in, uint32_t n, int32_t dec, int8_t *out)
{
    vector_t v = {in, n, shift_for(dec), INT8_MIN, false};
    const uint32_t reciprocal = normalise(&v);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t p = (high(power_of(&v, i), reciprocal) + (1u << 22)) >> 23; /* from Q0.30 */
        out[i] = (int8_t)(p > INT8_MAX ? INT8_MAX : p);
    }
}

void nnom_softmax_s16(const int16_t *in, uint32_t n, int32_t dec, int16_t *out)
{
    vector_t v = {in, n, shift_for(dec), INT16_MIN, true};
    const uint32_t reciprocal = normalise(&v);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t p = (high(power_of(&v, i), reciprocal) + (1u << 14)) >> 15; /* from Q0.30 */
        out[i] = (int16_t)(p > INT16_MAX ? INT16_MAX : p);
    }
}
