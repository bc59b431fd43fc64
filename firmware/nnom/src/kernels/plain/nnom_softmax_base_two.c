/* SPDX-License-Identifier: Apache-2.0
 * NNoM's softmax: base two, of the integers whatever their format. */
#include "../requantise.h"

void nnom_softmax_base_two_s8(const int8_t *in, uint32_t n, int8_t *out)
{
    int32_t max = -128;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        max = in[i] > max ? in[i] : max;
    }
    const int32_t base = max - 8; /* what is 2^-8 of the largest or less counts as nothing */
    for (uint32_t i = 0; i < n; i++) {
        if (in[i] > base) {
            sum += 1u << (in[i] - base);
        }
    }
    const int32_t q = (int32_t)(0x100000u / (sum == 0 ? 1 : sum));
    for (uint32_t i = 0; i < n; i++) {
        out[i] = in[i] > base ? nnom_sat_s8(q >> (13 + base - in[i])) : 0;
    }
}

/* a shift of 0 to 31 */
static int32_t clipped(int32_t shift)
{
    return shift > 31 ? 31 : shift < 0 ? 0 : shift;
}

void nnom_softmax_base_two_s16(const int16_t *in, uint32_t n, int16_t *out)
{
    int32_t max = INT16_MIN;
    uint64_t sum = 0; /* up to 65535 times 2^16 */
    for (uint32_t i = 0; i < n; i++) {
        max = in[i] > max ? in[i] : max;
    }
    const int32_t base = max - 16; /* what is 2^-16 of the largest or less counts as nothing */
    for (uint32_t i = 0; i < n; i++) {
        if (in[i] > base) {
            sum += (uint64_t)1 << (in[i] - base);
        }
    }
    const int32_t q = (int32_t)(((uint64_t)1 << 32) / (sum == 0 ? 1 : sum));
    for (uint32_t i = 0; i < n; i++) {
        out[i] = in[i] > base ? nnom_sat_s16(q >> clipped(17 + base - in[i])) : 0;
    }
}
