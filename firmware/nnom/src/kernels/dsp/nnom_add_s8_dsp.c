/* SPDX-License-Identifier: Apache-2.0
 * Sums of int8 elements, four at a time. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "bytes.h"

void nnom_add_s8_dsp(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift, uint32_t n)
{
    const int8_t *const end = a + (n & ~3u);
    if (shift == 0) {
        for (; a != end; a += 4, b += 4, out += 4) {
            nnom_store4(out, (uint32_t)__qadd8((int8x4_t)nnom_load4(a), (int8x4_t)nnom_load4(b)));
        }
    } else if (shift == 1) {
        /* (a + b + 1) >> 1 is ~((~a + ~b) >> 1) */
        const uint32_t flip = nnom_round(1) == 0 ? 0 : ~0u;
        for (; a != end; a += 4, b += 4, out += 4) {
            const uint32_t x = nnom_load4(a) ^ flip, y = nnom_load4(b) ^ flip;
            nnom_store4(out, (uint32_t)__shadd8((int8x4_t)x, (int8x4_t)y) ^ flip);
        }
    } else {
        const nnom_halving_t halving = nnom_halving(shift);
        for (; a != end; a += 4, b += 4, out += 4) {
            const int8x4_t half = __shadd8((int8x4_t)nnom_load4(a), (int8x4_t)nnom_load4(b));
            nnom_store4(out, nnom_halve(halving, (uint32_t)half));
        }
    }
    for (n %= 4; n > 0; n--) {
        *out++ = nnom_sat_s8((*a++ + *b++ + nnom_round(shift)) >> shift);
    }
}

#endif
