/* SPDX-License-Identifier: Apache-2.0
 * Products of int16 matrices and vectors. */
#include "../requantise.h"

void nnom_dot_s16(const int16_t *weights, uint32_t columns, uint32_t rows, int32_t shift,
                  const int16_t *in, int16_t *out)
{
    for (uint32_t r = 0; r < rows; r++, weights += columns) {
        int64_t sum = nnom_round(shift);
        for (uint32_t c = 0; c < columns; c++) {
            sum += (int64_t)in[c] * weights[c];
        }
        *out++ = nnom_narrowed_s16(sum >> shift);
    }
}

void nnom_dot_x4_s16(const int16_t *weights, uint32_t columns, uint32_t rows, int32_t shift,
                     const int16_t *in, int16_t *out)
{
    const uint32_t grouped = rows - rows % 4u;
    for (uint32_t r = 0; r < grouped; r += 4) {
        int64_t sum[4];
        uint32_t c = 0;
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] = nnom_round(shift);
        }
        for (; c + 2 <= columns; c += 2, weights += 8) {
            for (uint32_t k = 0; k < 4; k++) {
                sum[k] += (int64_t)in[c] * weights[2 * k] + (int64_t)in[c + 1] * weights[2 * k + 1];
            }
        }
        for (; c < columns; c++, weights += 4) {
            for (uint32_t k = 0; k < 4; k++) {
                sum[k] += (int64_t)in[c] * weights[k];
            }
        }
        for (uint32_t k = 0; k < 4; k++) {
            *out++ = nnom_narrowed_s16(sum[k] >> shift);
        }
    }
    nnom_dot_s16(weights, columns, rows - grouped, shift, in, out);
}
