/* SPDX-License-Identifier: Apache-2.0
 * Results on cores without saturation: one comparison where nothing is cut off. */
#ifndef NNOM_V6M_FINISH_H
#define NNOM_V6M_FINISH_H

#include "../requantise.h"

static inline int32_t clamped(int32_t value)
{
    if (value != (int8_t)value) {
        value = (value >> 31) ^ INT8_MAX;
    }
    return value;
}

/* With ReLU: 0 to 127. */
static inline int32_t clamped_relu(int32_t value)
{
    if ((uint32_t)value > INT8_MAX) {
        value = ~(value >> 31) & INT8_MAX;
    }
    return value;
}

static inline int8_t saturated(int32_t value)
{
    return (int8_t)clamped(value);
}

static inline int8_t saturated_relu(int32_t value)
{
    return (int8_t)clamped_relu(value);
}

static inline int16_t saturated_s16(int32_t value)
{
    if (value != (int16_t)value) {
        value = (value >> 31) ^ INT16_MAX;
    }
    return (int16_t)value;
}

static inline int8_t finish(const nnom_scale_t *s, uint32_t channel, int32_t sum)
{
    const int32_t value = sum >> nnom_out_shift(s, channel);
    return s->relu ? saturated_relu(value) : saturated(value);
}

#endif
