/* SPDX-License-Identifier: Apache-2.0
 * Activations of int16 data, in place. */
#include "../requantise.h"

/* clang-format off */
const int16_t nnom_sigmoid_table_q15[256] = {
    16384, 16896, 17407, 17916, 18421, 18923, 19420, 19912, 20397, 20874, 21344, 21804,
    22255, 22696, 23127, 23547, 23955, 24352, 24737, 25110, 25471, 25819, 26155, 26479,
    26790, 27090, 27377, 27653, 27917, 28169, 28411, 28642, 28862, 29072, 29272, 29462,
    29644, 29816, 29979, 30135, 30282, 30422, 30555, 30680, 30799, 30912, 31018, 31119,
    31214, 31304, 31389, 31469, 31545, 31616, 31684, 31747, 31807, 31864, 31917, 31968,
    32015, 32060, 32102, 32141, 32179, 32214, 32247, 32278, 32307, 32335, 32361, 32385,
    32408, 32430, 32450, 32469, 32487, 32504, 32520, 32535, 32549, 32562, 32574, 32586,
    32597, 32607, 32617, 32626, 32635, 32643, 32650, 32657, 32664, 32670, 32676, 32682,
    32687, 32692, 32696, 32701, 32705, 32709, 32712, 32716, 32719, 32722, 32725, 32727,
    32730, 32732, 32734, 32736, 32738, 32740, 32742, 32743, 32745, 32746, 32747, 32749,
    32750, 32751, 32752, 32753, 32754, 32755, 32756, 32756, 11, 12, 12, 13,
    14, 15, 16, 17, 18, 19, 21, 22, 23, 25, 26, 28,
    30, 32, 34, 36, 38, 41, 43, 46, 49, 52, 56, 59,
    63, 67, 72, 76, 81, 86, 92, 98, 104, 111, 118, 125,
    133, 142, 151, 161, 171, 182, 194, 206, 219, 233, 248, 264,
    281, 299, 318, 338, 360, 383, 407, 433, 461, 490, 521, 554,
    589, 627, 666, 708, 753, 800, 851, 904, 961, 1021, 1084, 1152,
    1223, 1299, 1379, 1464, 1554, 1649, 1750, 1856, 1969, 2088, 2213, 2346,
    2486, 2633, 2789, 2952, 3124, 3306, 3496, 3696, 3906, 4126, 4357, 4599,
    4851, 5115, 5391, 5678, 5978, 6289, 6613, 6949, 7297, 7658, 8031, 8416,
    8813, 9221, 9641, 10072, 10513, 10964, 11424, 11894, 12371, 12856, 13348, 13845,
    14347, 14852, 15361, 15872,
};

const int16_t nnom_tanh_table_q15[256] = {
    0, 2045, 4075, 6073, 8025, 9919, 11743, 13486, 15143, 16706, 18173, 19542,
    20813, 21986, 23066, 24054, 24956, 25776, 26519, 27191, 27797, 28341, 28830, 29268,
    29660, 30010, 30322, 30600, 30847, 31067, 31262, 31435, 31589, 31726, 31846, 31953,
    32048, 32132, 32206, 32271, 32329, 32381, 32426, 32466, 32501, 32532, 32560, 32584,
    32606, 32625, 32642, 32657, 32670, 32681, 32691, 32700, 32708, 32715, 32721, 32727,
    32732, 32736, 32740, 32743, 32746, 32749, 32751, 32753, 32755, 32756, 32758, 32759,
    32760, 32761, 32762, 32762, 32763, 32764, 32764, 32765, 32765, 32765, 32766, 32766,
    32766, 32766, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767,
    32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767,
    32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767,
    32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, -32768, -32768, -32768, -32768,
    -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768,
    -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768,
    -32768, -32768, -32768, -32768, -32768, -32768, -32767, -32767, -32767, -32767, -32767, -32767,
    -32767, -32767, -32767, -32766, -32766, -32766, -32766, -32765, -32765, -32765, -32764, -32764,
    -32763, -32762, -32762, -32761, -32760, -32759, -32758, -32756, -32755, -32753, -32751, -32749,
    -32746, -32743, -32740, -32736, -32732, -32727, -32721, -32715, -32708, -32700, -32691, -32681,
    -32670, -32657, -32642, -32625, -32606, -32584, -32560, -32532, -32501, -32466, -32426, -32381,
    -32329, -32271, -32206, -32132, -32048, -31953, -31846, -31726, -31589, -31435, -31262, -31067,
    -30847, -30600, -30322, -30010, -29660, -29268, -28830, -28341, -27797, -27191, -26519, -25776,
    -24956, -24054, -23066, -21986, -20813, -19542, -18173, -16706, -15143, -13486, -11743, -9919,
    -8025, -6073, -4075, -2045,
};
/* clang-format on */

/* Linear interpolation between table entries. int_width: integer bits of x; negative where the
 * data never leaves (-1, 1). */
static int16_t look_up(const int16_t *table, int16_t x, int32_t int_width)
{
    const int32_t shift = 11 - int_width;
    if (shift < 0) {
        return x > 0 ? table[127] : x < 0 ? table[128] : table[0];
    }
    const int32_t full = 1 << (shift > 26 ? 26 : shift);
    const int32_t fraction = x & (full - 1);
    int32_t i = x >> (shift > 26 ? 26 : shift);
#if !NNOM_COMPAT_043
    if (i > 127 || i < -128) { /* beyond the table: its end */
        return i > 0 ? table[127] : table[128];
    }
#endif
    const int64_t value = table[(uint8_t)i];
    if (i == 127) {
        return (int16_t)value; /* no next entry */
    }
    const int64_t next = table[(uint8_t)(i + 1)];
    return (int16_t)(((full - fraction) * value + fraction * next) >> (shift > 26 ? 26 : shift));
}

/* Where the index stays inside the table and products inside 32 bits, as with the formats that
 * recurrent cells have, a step between two entries is all that is left to multiply. */
static void look_up_all(const int16_t *table, int16_t *data, uint32_t size, int32_t int_width)
{
    const int32_t shift = 11 - int_width;
    if (shift < 8 || shift > 14) {
        for (uint32_t i = 0; i < size; i++) {
            data[i] = look_up(table, data[i], int_width);
        }
        return;
    }
    const int32_t mask = (1 << shift) - 1;
    for (uint32_t i = 0; i < size; i++) {
        const int32_t x = data[i], at = x >> shift;
        const int32_t value = table[(uint8_t)at];
        const int32_t next = at == 127 ? value : table[(uint8_t)(at + 1)];
        data[i] = (int16_t)(value + (((x & mask) * (next - value)) >> shift));
    }
}

void nnom_sigmoid_s16_plain(int16_t *data, uint32_t size, uint16_t int_width)
{
    look_up_all(nnom_sigmoid_table_q15, data, size, (int16_t)int_width);
}

void nnom_tanh_s16_plain(int16_t *data, uint32_t size, uint16_t int_width)
{
    look_up_all(nnom_tanh_table_q15, data, size, (int16_t)int_width);
}

void nnom_relu_s16(int16_t *data, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        data[i] = data[i] < 0 ? 0 : data[i];
    }
}

void nnom_leaky_relu_s16(int16_t *data, int8_t alpha, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (data[i] < 0) {
            data[i] = (int16_t)(data[i] * alpha / 128);
        }
    }
}

/* Keras' ReLU: what is above the threshold stays. NNoM clips first and keeps the threshold too. */
void nnom_adv_relu_s16(int16_t *data, int8_t alpha, int16_t max, int16_t threshold, uint32_t size)
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
        data[i] = (int16_t)(below ? (x - threshold) * alpha / 128 : clipped);
    }
}

void nnom_hard_sigmoid_s16(int16_t *data, uint32_t size, int16_t dec_bit)
{
    const int32_t dec = dec_bit + 8;
    /* from fifteen fraction bits on the limit is out of reach */
    const int32_t limit = dec > 15  ? 65536
                          : dec < 0 ? 1
                                    : (int32_t)(2.5f * (float)(1 << dec) - 1.0f);
    const int32_t shift = dec > 30 ? 30 : dec < 0 ? 0 : dec;
    for (uint32_t i = 0; i < size; i++) {
        if (data[i] <= -limit) {
            data[i] = 0;
        } else if (data[i] >= limit) {
            data[i] = 32767;
        } else {
            data[i] = (int16_t)(((data[i] * 6554) >> shift) + 16384);
        }
    }
}

void nnom_hard_tanh_s16(int16_t *data, uint32_t size, int16_t dec_bit)
{
    const int32_t dec = dec_bit + 8;
    if (dec == 15) {
        return;
    }
    const int32_t limit = dec > 15 ? 65536 : dec < 0 ? 1 : 1 << dec;
    const int32_t right = dec - 15 > 15 ? 15 : dec - 15;
    for (uint32_t i = 0; i < size; i++) {
        if (data[i] <= -limit) {
            data[i] = -32768;
        } else if (data[i] >= limit) {
            data[i] = 32767;
        } else if (dec < 15) {
            data[i] = (int16_t)nnom_scale_up(data[i], dec < 0 ? 15 : 15 - dec);
        } else {
            data[i] = (int16_t)(data[i] >> right);
        }
    }
}
