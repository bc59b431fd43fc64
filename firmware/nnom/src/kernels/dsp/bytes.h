/* SPDX-License-Identifier: Apache-2.0
 * Four int8 in a word. */
#ifndef NNOM_DSP_BYTES_H
#define NNOM_DSP_BYTES_H

#include <arm_acle.h>

#include "dot.h"

static inline void nnom_store4(int8_t *p, uint32_t word)
{
    memcpy(p, &word, sizeof(word));
}

/* The larger of each two bytes: SSUB8 leaves in GE which are. */
static inline uint32_t nnom_largest(uint32_t a, uint32_t b)
{
    uint32_t largest;
    __asm__("ssub8 %0, %1, %2\n\t"
            "sel %0, %1, %2"
            : "=&r"(largest)
            : "r"(a), "r"(b));
    return largest;
}

/* What halves four half sums (or differences) until (sum + round) >> shift is left, for shifts from
 * 2: floor(floor(x / 2^n + 1) / 2) is x rounded and shifted by n + 1. */
typedef struct {
    uint32_t shift, mask, sign, last;
} nnom_halving_t;

static inline nnom_halving_t nnom_halving(int32_t shift)
{
    const uint32_t n = shift > 9 ? 7 : (uint32_t)shift - 2; /* bytes have no more than seven */
    const nnom_halving_t h = {n, (0xFFu >> n) * 0x01010101u, (0x80u >> n) * 0x01010101u,
                              (uint32_t)nnom_round(1) * 0x01010101u};
    return h;
}

static inline uint32_t nnom_halve(nnom_halving_t h, uint32_t bytes)
{
    const uint32_t positive = (bytes ^ 0x80808080u) >> h.shift & h.mask;
    return (uint32_t)__shadd8(__ssub8((int8x4_t)positive, (int8x4_t)h.sign), (int8x4_t)h.last);
}

#endif
