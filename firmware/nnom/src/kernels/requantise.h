/* SPDX-License-Identifier: Apache-2.0
 * From 32-bit sums to results, for all kernels:
 *
 *     result = sat((bias * 2^bias_shift + products + round) >> out_shift),  round = 2^out_shift / 2
 *
 * cut off, so that halves are rounded up; with NNOM_TRUNCATE round is 0. A sum starts with bias and
 * round, so that nothing but the shift is left at its end. */
#ifndef NNOM_REQUANTISE_H
#define NNOM_REQUANTISE_H

#include "kernels.h"

static inline int32_t nnom_round(int32_t shift)
{
#if defined(NNOM_TRUNCATE) || defined(ARM_NN_TRUNCATE)
    (void)shift;
    return 0;
#else
    return (1 << shift) >> 1;
#endif
}

/* value * 2^shift for 0 <= shift <= 31; a left shift of a negative number is undefined in C. */
static inline int32_t nnom_scale_up(int32_t value, int32_t shift)
{
    return (int32_t)((uint32_t)value << (uint32_t)shift);
}

static inline int8_t nnom_sat_s8(int32_t value)
{
    return (int8_t)(value > INT8_MAX ? INT8_MAX : value < INT8_MIN ? INT8_MIN : value);
}

static inline int16_t nnom_sat_s16(int64_t value)
{
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

static inline int32_t nnom_out_shift(const nnom_scale_t *s, uint32_t channel)
{
    return s->out_shift[channel * s->per_channel];
}

/* What the sum of a channel starts with. */
static inline int32_t nnom_start(const nnom_scale_t *s, uint32_t channel)
{
    const int32_t round = nnom_round(nnom_out_shift(s, channel));
    if (s->bias == NULL) {
        return round;
    }
    return nnom_scale_up(s->bias[channel], s->bias_shift[channel * s->per_channel]) + round;
}

/* The same in 64 bits, for s16 data. */
static inline int64_t nnom_start_wide(const nnom_scale_t *s, uint32_t channel)
{
    const int32_t round = nnom_round(nnom_out_shift(s, channel));
    if (s->bias == NULL) {
        return round;
    }
    const int32_t shift = s->bias_shift[channel * s->per_channel];
    return (int64_t)s->bias[channel] * ((int64_t)1 << shift) + round;
}

/* Whose bias the first of the rows left over of interleaved weights has: NNoM 0.4.3 starts again at
 * bias[0]. */
static inline uint32_t nnom_bias_of_rest(uint32_t row)
{
    return NNOM_COMPAT_043 ? 0 : row;
}

static inline int8_t nnom_finish_s8(const nnom_scale_t *s, uint32_t channel, int32_t sum)
{
    const int32_t value = sum >> nnom_out_shift(s, channel);
    return s->relu && value < 0 ? 0 : nnom_sat_s8(value);
}

/* NNoM narrows a shifted sum to 32 bits before it saturates. */
static inline int16_t nnom_narrowed_s16(int64_t shifted)
{
    return nnom_sat_s16((int32_t)(uint32_t)(uint64_t)shifted);
}

static inline int16_t nnom_finish_s16(const nnom_scale_t *s, uint32_t channel, int64_t sum)
{
    return nnom_narrowed_s16(sum >> nnom_out_shift(s, channel));
}

#endif
