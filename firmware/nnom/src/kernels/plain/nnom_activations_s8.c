/* SPDX-License-Identifier: Apache-2.0
 * Activations of int8 data, in place. */
#include "../gather.h"
#include "../requantise.h"

/* clang-format off */
const int8_t nnom_sigmoid_table_q7[256] = {
    64, 66, 68, 70, 72, 74, 76, 78, 80, 82, 83, 85, 87, 89, 90, 92,
    94, 95, 97, 98, 99, 101, 102, 103, 105, 106, 107, 108, 109, 110, 111, 112,
    113, 114, 114, 115, 116, 116, 117, 118, 118, 119, 119, 120, 120, 121, 121, 122,
    122, 122, 123, 123, 123, 124, 124, 124, 124, 124, 125, 125, 125, 125, 125, 126,
    126, 126, 126, 126, 126, 126, 126, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2,
    2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 6,
    6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 29, 30, 31, 33,
    34, 36, 38, 39, 41, 43, 45, 46, 48, 50, 52, 54, 56, 58, 60, 62,
};

const int8_t nnom_tanh_table_q7[256] = {
    0, 8, 16, 24, 31, 39, 46, 53, 59, 65, 71, 76, 81, 86, 90, 94,
    97, 101, 104, 106, 109, 111, 113, 114, 116, 117, 118, 120, 120, 121, 122, 123,
    123, 124, 124, 125, 125, 126, 126, 126, 126, 126, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -127,
    -127, -127, -127, -127, -127, -127, -127, -126, -126, -126, -126, -126, -125, -125, -124, -124,
    -123, -123, -122, -121, -120, -120, -118, -117, -116, -114, -113, -111, -109, -106, -104, -101,
    -97, -94, -90, -86, -81, -76, -71, -65, -59, -53, -46, -39, -31, -24, -16, -8,
};
/* clang-format on */

void nnom_relu_s8_plain(int8_t *data, uint32_t size)
{
    for (; size > 0 && ((uintptr_t)data & 3u) != 0; size--, data++) {
        *data = *data < 0 ? 0 : *data;
    }
    /* four at a time: a byte whose sign bit is set is masked away */
    for (; size >= 4; size -= 4, data += 4) {
        const uint32_t word = word_at(data), sign = (word & 0x80808080u) >> 7;
        put_word(data, word & ~(sign * 0xFFu));
    }
    for (; size > 0; size--, data++) {
        *data = *data < 0 ? 0 : *data;
    }
}

void nnom_leaky_relu_s8(int8_t *data, int8_t alpha, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (data[i] < 0) {
            data[i] = (int8_t)(data[i] * alpha / 128);
        }
    }
}

/* Keras' ReLU: what is above the threshold stays. NNoM clips first and keeps the threshold too. */
void nnom_adv_relu_s8(int8_t *data, int8_t alpha, int8_t max, int8_t threshold, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        const int32_t clipped = data[i] > max ? max : data[i];
#if NNOM_COMPAT_043
        const int32_t x = clipped;
        const bool below = x < threshold;
#else
        const int32_t x = data[i];
        const bool below = x <= threshold;
#endif
        data[i] = (int8_t)(below ? (x - threshold) * alpha / 128 : clipped);
    }
}

/* Index of the table entry; 3 - int_width low bits are dropped toward minus infinity. */
static uint8_t table_index(int8_t x, int16_t int_width)
{
    const int32_t shift = 3 - int_width;
    return (uint8_t)(x >> (shift > 7 ? 7 : shift));
}

/* Data with more than three integer bits passes the table's range in either direction. */
static int8_t look_up(const int8_t *table, int8_t x, int16_t int_width)
{
#if NNOM_COMPAT_043
    if (int_width > 3) { /* NNoM: a step between the table's ends */
        return x > 0 ? table[127] : x < 0 ? table[128] : 0;
    }
#else
    if (int_width > 3) {
        const int32_t wide = nnom_scale_up(x, int_width > 12 ? 9 : int_width - 3);
        return table[(uint8_t)(wide > 127 ? 127 : wide < -128 ? -128 : wide)];
    }
#endif
    return table[table_index(x, int_width)];
}

void nnom_sigmoid_s8(int8_t *data, uint32_t size, int16_t int_width)
{
    for (uint32_t i = 0; i < size; i++) {
        data[i] = look_up(nnom_sigmoid_table_q7, data[i], int_width);
    }
}

void nnom_tanh_s8(int8_t *data, uint32_t size, int16_t int_width)
{
    for (uint32_t i = 0; i < size; i++) {
        data[i] = look_up(nnom_tanh_table_q7, data[i], int_width);
    }
}

void nnom_hard_sigmoid_s8(int8_t *data, uint32_t size, int16_t dec_bit)
{
    /* |x| <= 128, so from seven fraction bits on the limit is out of reach; without any, and with
     * less than none, every number but 0 is beyond it */
    const int32_t dec = dec_bit < 0 ? 0 : dec_bit;
    const int32_t limit = dec > 7 ? 256 : (int32_t)(2.5f * (float)(1 << dec) - 1.0f);
    const int32_t shift = dec > 15 ? 15 : dec;
    for (uint32_t i = 0; i < size; i++) {
        if (data[i] <= -limit) {
            data[i] = 0;
        } else if (data[i] >= limit) {
            data[i] = 127;
        } else {
            data[i] = (int8_t)(((data[i] * 26) >> shift) + 64);
        }
    }
}

void nnom_hard_tanh_s8(int8_t *data, uint32_t size, int16_t dec_bit)
{
    if (dec_bit == 7) {
        return;
    }
    const int32_t dec = dec_bit < 0 ? 0 : dec_bit;
    const int32_t limit = dec > 7 ? 256 : 1 << dec;
    const int32_t right = dec - 7 > 7 ? 7 : dec - 7;
    for (uint32_t i = 0; i < size; i++) {
        if (data[i] <= -limit) {
            data[i] = -128;
        } else if (data[i] >= limit) {
            data[i] = 127;
        } else if (dec < 7) {
            data[i] = (int8_t)nnom_scale_up(data[i], 7 - dec);
        } else {
            data[i] = (int8_t)(data[i] >> right);
        }
    }
}
