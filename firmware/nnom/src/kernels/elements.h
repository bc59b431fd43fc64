/* SPDX-License-Identifier: Apache-2.0
 * Sums, differences and products of int8 elements. A form includes its finish.h, says with
 * HAS_OFFSETS whether its loads of signed bytes take constants, and includes this. */
#ifndef NNOM_ELEMENTS_H
#define NNOM_ELEMENTS_H

#include "gather.h"
#include "requantise.h"

typedef enum { ADD, SUB, MULT } operation_t;

static inline int8_t element(operation_t operation, int32_t a, int32_t b, int32_t round,
                             int32_t shift)
{
    const int32_t value = operation == ADD ? a + b : operation == SUB ? a - b : a * b;
    return saturated((value + round) >> shift);
}

/* Four sums or differences by two halves of a word, each with two in 16 bits, to which 256 is added
 * behind the shift, so that nothing is negative. Nothing saturates from a shift of 1 (sums) or 2
 * (differences) on; up to 7 there is room. */
static inline uint32_t four_elements(operation_t operation, uint32_t a, uint32_t b,
                                     uint32_t constant, uint32_t shift)
{
    const uint32_t mask = 0x00FF00FFu, signs = 0x80808080u;
    a ^= signs, b ^= signs; /* 128 more: none is negative */
    uint32_t even = (a & mask) + constant, odd = ((a >> 8) & mask) + constant;
    if (operation == ADD) {
        even += b & mask, odd += (b >> 8) & mask;
    } else {
        even -= b & mask, odd -= (b >> 8) & mask;
    }
    return ((even >> shift) & mask) | ((odd >> shift) & mask) << 8;
}

static inline void four_elements_apart(operation_t operation, const int8_t *a, const int8_t *b,
                                       int8_t *out, int32_t round, int32_t shift)
{
    out[0] = element(operation, a[0], b[0], round, shift);
    out[1] = element(operation, a[1], b[1], round, shift);
    out[2] = element(operation, a[2], b[2], round, shift);
    out[3] = element(operation, a[3], b[3], round, shift);
}

static inline void elements(operation_t operation, const int8_t *a, const int8_t *b, int8_t *out,
                            int32_t shift, uint32_t n)
{
    const int32_t round = nnom_round(shift);
    if (operation != MULT && shift >= (operation == ADD ? 1 : 2) && shift <= 7 &&
        (((uintptr_t)a | (uintptr_t)b | (uintptr_t)out) & 3u) == 0) {
        const uint32_t offset = operation == ADD ? 256 : 0; /* what the signs have added */
        const uint32_t constant = ((256u << shift) - offset + (uint32_t)round) * 0x00010001u;
        for (; n >= 4; n -= 4, a += 4, b += 4, out += 4) {
            put_word(out, four_elements(operation, word_at(a), word_at(b), constant,
                                        (uint32_t)shift));
        }
    }
    for (; HAS_OFFSETS && n >= 8; n -= 8, a += 8, b += 8, out += 8) {
        four_elements_apart(operation, a, b, out, round, shift);
        four_elements_apart(operation, a + 4, b + 4, out + 4, round, shift);
    }
    for (uint32_t i = 0; i < n; i++) {
        out[i] = element(operation, a[i], b[i], round, shift);
    }
}

#endif
