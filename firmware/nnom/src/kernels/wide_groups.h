/* SPDX-License-Identifier: Apache-2.0
 * Products of int16 data with groups of four rows of int8 weights. Sums have 64 bits; those of so
 * few products that they fit 32 are made in 32. A form defines dot_group() and saturated_s16(),
 * then includes this. */
#ifndef NNOM_WIDE_GROUPS_H
#define NNOM_WIDE_GROUPS_H

#include "requantise.h"

#define MOST_COLUMNS 508 /* below 2^31 / (2^15 * 2^7), a multiple of four */

/* nnom_start_wide() without a long multiplication */
static inline int64_t start_wide(const nnom_scale_t *s, uint32_t row)
{
    const int32_t round = nnom_round(nnom_out_shift(s, row));
    if (s->bias == NULL) {
        return round;
    }
    const int32_t shift = s->bias_shift[row * s->per_channel], bias = s->bias[row];
    const uint32_t low = (uint32_t)nnom_scale_up(bias, shift);
    const int32_t high = (bias >> 1) >> (31 - shift);
    return (int64_t)((uint64_t)(uint32_t)high << 32 | low) + round;
}

/* nnom_finish_s16() for shifts that are 0 to 30 */
static inline int16_t finish_wide(const nnom_scale_t *s, uint32_t row, int64_t sum)
{
    const uint32_t shift = (uint32_t)nnom_out_shift(s, row);
    const uint32_t low = (uint32_t)sum, high = (uint32_t)((uint64_t)sum >> 32);
    return saturated_s16((int32_t)(low >> shift | (high << 1) << (31 - shift)));
}

static inline int32_t dot_row(const int16_t *x, const int8_t *w, uint32_t n)
{
    int32_t sum = 0;
    for (; n > 0; n--) {
        sum += *x++ * *w++;
    }
    return sum;
}

/* Sums, bias and rounding fit 32 bits: 254 * 2^22 + 2^7 * 2^22 + 2^29 < 2^31. */
static inline bool is_narrow(const nnom_dense_t *p)
{
    const nnom_scale_t *s = &p->scale;
    return p->columns <= 254 && !s->per_channel && (s->bias == NULL || s->bias_shift[0] <= 22);
}

static inline void dense_narrow(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    const nnom_scale_t *s = &p->scale;
    const uint32_t grouped = p->rows & ~3u, columns = p->columns;
    const int32_t shift = s->out_shift[0], round = nnom_round(shift);
    const int8_t *wt = p->weights, *bias = s->bias;
    const int32_t bias_shift = bias == NULL ? 0 : s->bias_shift[0];
    int16_t *const end = out + p->rows;
    for (uint32_t r = 0; r < grouped; r += 4, out += 4) {
        int32_t sum[4] = {round, round, round, round};
        if (bias != NULL) {
            sum[0] += nnom_scale_up(bias[0], bias_shift);
            sum[1] += nnom_scale_up(bias[1], bias_shift);
            sum[2] += nnom_scale_up(bias[2], bias_shift);
            sum[3] += nnom_scale_up(bias[3], bias_shift);
            bias += 4;
        }
        wt = dot_group(in, wt, columns, sum);
        out[0] = saturated_s16(sum[0] >> shift);
        out[1] = saturated_s16(sum[1] >> shift);
        out[2] = saturated_s16(sum[2] >> shift);
        out[3] = saturated_s16(sum[3] >> shift);
    }
    for (; out != end; wt += columns) {
        const int32_t start = round + (bias == NULL ? 0 : nnom_scale_up(*bias++, bias_shift));
        *out++ = saturated_s16((start + dot_row(in, wt, columns)) >> shift);
    }
}

static inline void dense_wide(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    const nnom_scale_t *s = &p->scale;
    const uint32_t grouped = p->rows & ~3u, columns = p->columns;
    const int8_t *wt = p->weights;
    uint32_t r = 0;
    for (; r < grouped; r += 4) {
        int64_t sum[4];
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] = start_wide(s, r + k);
        }
        for (uint32_t c = 0; c < columns; c += MOST_COLUMNS) {
            int32_t part[4] = {0, 0, 0, 0};
            const uint32_t left = columns - c;
            wt = dot_group(in + c, wt, left > MOST_COLUMNS ? MOST_COLUMNS : left, part);
            for (uint32_t k = 0; k < 4; k++) {
                sum[k] += part[k];
            }
        }
        for (uint32_t k = 0; k < 4; k++) {
            out[r + k] = finish_wide(s, r + k, sum[k]);
        }
    }
    for (; r < p->rows; r++, wt += columns) {
        int64_t sum = start_wide(s, r);
        for (uint32_t c = 0; c < columns; c += MOST_COLUMNS) {
            const uint32_t left = columns - c;
            sum += dot_row(in + c, wt + c, left > MOST_COLUMNS ? MOST_COLUMNS : left);
        }
        out[r] = finish_wide(s, r, sum);
    }
}

static inline void dense_x2(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    if (is_narrow(p)) {
        dense_narrow(p, in, out);
    } else {
        dense_wide(p, in, out);
    }
}

#endif
