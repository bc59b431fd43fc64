/* SPDX-License-Identifier: Apache-2.0
 * Sums, differences and products of elements. */
#include "../requantise.h"

static int8_t finish_s8(int32_t value, int32_t shift)
{
    return nnom_sat_s8((value + nnom_round(shift)) >> shift);
}

/* 64 bits: the product of two int16 and its rounding can pass 2^31 */
static int16_t finish_s16(int64_t value, int32_t shift)
{
    return nnom_sat_s16((value + nnom_round(shift)) >> shift);
}

#define TWO_OPERANDS(name, form, operation, T, wide)                                              \
    TWO_OPERANDS_AS(nnom_##name##_##form, form, operation, T, wide)
#define TWO_OPERANDS_AS(function, form, operation, T, wide)                                       \
    void function(const T *a, const T *b, T *out, int32_t shift, uint32_t n)          \
    {                                                                                             \
        for (uint32_t i = 0; i < n; i++) {                                                        \
            out[i] = finish_##form((wide)a[i] operation b[i], shift);                             \
        }                                                                                         \
    }

#define MANY_OPERANDS(name, form, operation, T, wide)                                             \
    void nnom_##name##_many_##form(T *const *in, uint32_t count, T *out, int32_t shift,           \
                                   uint32_t n)                                                    \
    {                                                                                             \
        for (uint32_t i = 0; i < n; i++) {                                                        \
            wide value = in[0][i];                                                                \
            for (uint32_t k = 1; k < count; k++) {                                                \
                value = value operation in[k][i];                                                 \
            }                                                                                     \
            out[i] = finish_##form(value, shift);                                                 \
        }                                                                                         \
    }

TWO_OPERANDS_AS(nnom_add_s8_plain, s8, +, int8_t, int32_t)
TWO_OPERANDS_AS(nnom_sub_s8_plain, s8, -, int8_t, int32_t)
TWO_OPERANDS_AS(nnom_mult_s8_plain, s8, *, int8_t, int32_t)
TWO_OPERANDS_AS(nnom_add_s16_plain, s16, +, int16_t, int32_t)
TWO_OPERANDS(sub, s16, -, int16_t, int32_t)
TWO_OPERANDS(mult, s16, *, int16_t, int64_t)
MANY_OPERANDS(add, s8, +, int8_t, int32_t)
MANY_OPERANDS(sub, s8, -, int8_t, int32_t)
MANY_OPERANDS(add, s16, +, int16_t, int32_t)
MANY_OPERANDS(sub, s16, -, int16_t, int32_t)

void nnom_mult_many_s8(int8_t *const *in, uint32_t count, int8_t *out, int32_t shift, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        /* five operands and more may leave 32 bits: the product wraps, as NNoM's does in practice */
        uint32_t product = 1;
        for (uint32_t k = 0; k < count; k++) {
            const int32_t factor = in[k][i];
            product *= (uint32_t)factor;
        }
        const int64_t value = (int32_t)product;
        const int64_t shifted = (value + nnom_round(shift)) >> shift;
        out[i] = (int8_t)(shifted > INT8_MAX ? INT8_MAX : shifted < INT8_MIN ? INT8_MIN : shifted);
    }
}

void nnom_mult_many_s16(int16_t *const *in, uint32_t count, int16_t *out, int32_t shift, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t product = 1; /* wraps from five operands on */
        for (uint32_t k = 0; k < count; k++) {
            const int64_t factor = in[k][i];
            product *= (uint64_t)factor;
        }
        out[i] = finish_s16((int64_t)product, shift);
    }
}
