/* SPDX-License-Identifier: Apache-2.0
 * Products of int8 elements, four at a time. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "bytes.h"

void nnom_mult_s8_dsp(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift, uint32_t n)
{
    const int8_t *const end = a + (n & ~3u);
    const int32_t round = nnom_round(shift);
    for (; a != end; a += 4, b += 4) {
        const uint32_t x = nnom_load4(a), y = nnom_load4(b);
        const int16x2_t even = (int16x2_t)nnom_even(x), odd = (int16x2_t)nnom_odd(x);
        const int16x2_t by = (int16x2_t)nnom_even(y), by_odd = (int16x2_t)nnom_odd(y);
        *out++ = nnom_saturated(__smlabb(even, by, round) >> shift);
        *out++ = nnom_saturated(__smlabb(odd, by_odd, round) >> shift);
        *out++ = nnom_saturated(__smlatt(even, by, round) >> shift);
        *out++ = nnom_saturated(__smlatt(odd, by_odd, round) >> shift);
    }
    for (n %= 4; n > 0; n--) {
        *out++ = nnom_sat_s8((*a++ * *b++ + round) >> shift);
    }
}

#endif
