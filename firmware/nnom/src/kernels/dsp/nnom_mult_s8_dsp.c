/* SPDX-License-Identifier: Apache-2.0
 * Products of int8 elements, four at a time. Each costs a multiplication with the round, a shift, a
 * saturation and a store: DSP cores shift no pairs by a number that is not known when compiling. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include <arm_acle.h>

#include "dot.h"

static inline void multiply_four(const int8_t *a, const int8_t *b, int8_t *out, int32_t round,
                                 int32_t shift)
{
    const uint32_t x = nnom_load4(a), y = nnom_load4(b);
    const int16x2_t even = (int16x2_t)nnom_even(x), odd = (int16x2_t)nnom_odd(x);
    const int16x2_t by = (int16x2_t)nnom_even(y), by_odd = (int16x2_t)nnom_odd(y);
    out[0] = nnom_saturated(__smlabb(even, by, round) >> shift);
    out[1] = nnom_saturated(__smlabb(odd, by_odd, round) >> shift);
    out[2] = nnom_saturated(__smlatt(even, by, round) >> shift);
    out[3] = nnom_saturated(__smlatt(odd, by_odd, round) >> shift);
}

void nnom_mult_s8_dsp(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift, uint32_t n)
{
    const int8_t *const end = a + (n & ~7u);
    const int32_t round = nnom_round(shift);
    for (; a != end; a += 8, b += 8, out += 8) {
        multiply_four(a, b, out, round, shift);
        multiply_four(a + 4, b + 4, out + 4, round, shift);
    }
    for (n %= 8; n > 0; n--) {
        *out++ = nnom_sat_s8((*a++ * *b++ + round) >> shift);
    }
}

#endif
