/* SPDX-License-Identifier: Apache-2.0
 * Decoder of the compact encoding. */
#include "agent/compact.h"

#include <string.h>

#if COMPACT_RING > 0

#define PREDICTORS 4u
#define CONTEXTS 7u
#define MAGNITUDES 8u /* 1, 2-3, 4-7, ... 128 */
#define SLOWEST 4u    /* a probability moves by 1/16 once it has settled */
#define HALF 2048u    /* of 12 bits */

typedef struct {
    uint16_t zero; /* probability that the next bit is 0, 12 bits */
    uint8_t seen;
} bit_model;

static struct {
    bit_model is_zero[CONTEXTS], sign, longer[CONTEXTS][MAGNITUDES], top[MAGNITUDES];
    /* how far off each predictor, and the choice among them, was: the last row and one step more */
    uint8_t off[PREDICTORS + 1u][COMPACT_RING];
    const uint8_t *next, *end;
    uint32_t low, high, value;
} c;

static uint32_t next_byte(void)
{
    return c.next < c.end ? *c.next++ : 0u;
}

static uint32_t split_bit(uint32_t zero)
{
    const uint32_t middle = c.low + ((c.high - c.low) >> 12) * zero;
    const uint32_t bit = c.value > middle;
    if (bit) {
        c.low = middle + 1u;
    } else {
        c.high = middle;
    }
    while (((c.low ^ c.high) & 0xFF000000u) == 0u) {
        c.low <<= 8;
        c.high = c.high << 8 | 0xFFu;
        c.value = c.value << 8 | next_byte();
    }
    return bit;
}

static uint32_t get_bit(bit_model *m)
{
    const uint32_t bit = split_bit(m->zero);
    if (m->seen < SLOWEST) {
        m->seen++;
    }
    if (bit) {
        m->zero = (uint16_t)(m->zero - (m->zero >> m->seen));
    } else {
        m->zero = (uint16_t)(m->zero + ((4096u - m->zero) >> m->seen));
    }
    m->zero = m->zero < 32u ? 32u : m->zero > 4064u ? 4064u : m->zero;
    return bit;
}

/* the difference between value and prediction, -128 to 127; context: how wrong the neighbours were */
static int32_t get_difference(uint32_t context)
{
    if (!get_bit(&c.is_zero[context])) {
        return 0;
    }
    const bool negative = get_bit(&c.sign);
    uint32_t bits = 0;
    while (bits < MAGNITUDES - 1u && get_bit(&c.longer[context][bits])) {
        bits++;
    }
    uint32_t magnitude = 1;
    for (uint32_t i = bits; i-- > 0;) {
        magnitude = magnitude << 1 | (i + 1u == bits ? get_bit(&c.top[bits]) : split_bit(HALF));
    }
    return negative ? -(int32_t)magnitude : (int32_t)magnitude;
}

static void start(const uint8_t *data, size_t len)
{
    memset(&c, 0, sizeof(c));
    bit_model *const first = c.is_zero, *const last = &c.top[MAGNITUDES - 1u];
    for (bit_model *m = first; m <= last; m++) {
        m->zero = HALF;
    }
    c.next = data;
    c.end = data + len;
    c.high = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < 4; i++) {
        c.value = c.value << 8 | next_byte();
    }
}

static uint32_t log2_of(uint32_t value)
{
    uint32_t n = 0;
    while (value > 1u) {
        value >>= 1;
        n++;
    }
    return n;
}

/* slopes to the left, above and both, and the median of left, above and their plane */
static void predict(int32_t p[PREDICTORS], const int8_t *at, uint32_t step, uint32_t stride,
                    uint32_t columns, uint32_t rows)
{
    /* n[y][x]: y rows up, x columns left; 0 beyond the edges */
    int32_t n[3][3];
    for (uint32_t y = 0; y < 3; y++) {
        for (uint32_t x = 0; x < 3; x++) {
            const bool inside = y <= rows && x <= columns && (x | y) != 0u;
            n[y][x] = inside ? *(at - y * stride - x * step) : 0;
        }
    }
    const int32_t left = n[0][1], up = n[1][0], plane = left + up - n[1][1];
    const int32_t smaller = left < up ? left : up, larger = left < up ? up : left;
    p[0] = 2 * left - n[0][2];
    p[1] = 2 * up - n[2][0];
    p[2] = plane < smaller ? smaller : plane > larger ? larger : plane;
    p[3] = p[0] + p[1] - 4 * n[1][1] + 2 * n[1][2] + 2 * n[2][1] - n[2][2];
}

bool compact_decode(const uint8_t *data, size_t len, uint32_t step, uint32_t stride, int8_t *out,
                    size_t size)
{
    if (step == 0 || stride < step || stride + step > COMPACT_RING || stride % step != 0) {
        return false;
    }
    const uint32_t ring = stride + step;
    start(data, len);
    uint32_t column = 0, row = 0, slot = 0; /* column in steps; slot: i modulo ring */
    for (size_t i = 0; i < size; i++) {
        /* i - stride - step is in the slot that i will take */
        const uint32_t left = slot >= step ? slot - step : slot + ring - step;
        const uint32_t up = slot + step >= ring ? slot + step - ring : slot + step;
        const bool has_left = column > 0, has_up = row > 0;
        int32_t p[PREDICTORS];
        predict(p, out + i, step, stride, column, row);
        uint32_t best = 0, least = UINT32_MAX;
        for (uint32_t k = 0; k < PREDICTORS; k++) {
            const uint32_t off = (has_left ? c.off[k][left] : 0u) + (has_up ? c.off[k][up] : 0u) +
                                 (has_left && has_up ? c.off[k][slot] : 0u);
            if (off < least) {
                least = off;
                best = k;
            }
        }
        const uint32_t wrong = (has_left ? c.off[PREDICTORS][left] : 0u) +
                               (has_up ? c.off[PREDICTORS][up] : 0u);
        const uint32_t context = wrong == 0u ? 0u : 1u + log2_of(wrong);
        const int32_t guess = p[best] < -128 ? -128 : p[best] > 127 ? 127 : p[best];
        const int32_t difference = get_difference(context < CONTEXTS ? context : CONTEXTS - 1u);
        out[i] = (int8_t)(uint8_t)(guess + difference);
        for (uint32_t k = 0; k < PREDICTORS; k++) {
            const int32_t off = out[i] > p[k] ? out[i] - p[k] : p[k] - out[i];
            c.off[k][slot] = (uint8_t)(off > 255 ? 255 : off);
        }
        c.off[PREDICTORS][slot] = (uint8_t)(difference < 0 ? -difference : difference);
        slot = slot + 1u == ring ? 0u : slot + 1u;
        if ((i + 1u) % stride == 0u) {
            row++;
            column = 0;
        } else if ((i + 1u) % step == 0u) {
            column++;
        }
    }
    return true;
}

#endif
