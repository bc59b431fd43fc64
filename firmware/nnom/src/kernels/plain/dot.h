/* SPDX-License-Identifier: Apache-2.0
 * Dot products of int8 vectors in C. */
#ifndef NNOM_PLAIN_DOT_H
#define NNOM_PLAIN_DOT_H

#include "../requantise.h"

static inline int8_t nnom_finish(const nnom_scale_t *s, uint32_t channel, int32_t sum)
{
    return nnom_finish_s8(s, channel, sum);
}

static inline int32_t nnom_dot(const int8_t *x, const int8_t *w, uint32_t n, int32_t sum)
{
    for (; n >= 4; n -= 4, x += 4, w += 4) {
        sum += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
    }
    for (; n > 0; n--) {
        sum += *x++ * *w++;
    }
    return sum;
}

static inline void nnom_dot_4_rows(const int8_t *x, const int8_t *w, uint32_t n, int32_t sum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    const int8_t *w1 = w + n, *w2 = w1 + n, *w3 = w2 + n;
    for (uint32_t i = 0; i < n; i++) {
        const int32_t v = x[i]; /* NOLINT: clang does not see that a patch was gathered */
        s0 += v * w[i];
        s1 += v * w1[i];
        s2 += v * w2[i];
        s3 += v * w3[i];
    }
    sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
}

static inline void nnom_dot_tile(const int8_t *x, const int8_t *m, int32_t sum[4])
{
    sum[0] += x[0] * m[0] + x[2] * m[2] + x[1] * m[8] + x[3] * m[10];
    sum[1] += x[0] * m[1] + x[2] * m[3] + x[1] * m[9] + x[3] * m[11];
    sum[2] += x[0] * m[4] + x[2] * m[6] + x[1] * m[12] + x[3] * m[14];
    sum[3] += x[0] * m[5] + x[2] * m[7] + x[1] * m[13] + x[3] * m[15];
}

#endif
