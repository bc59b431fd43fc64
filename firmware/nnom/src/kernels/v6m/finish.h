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

static inline int16_t saturated_s16(int32_t value)
{
    if (value != (int16_t)value) {
        value = (value >> 31) ^ INT16_MAX;
    }
    return (int16_t)value;
}

#include "../saturated.h"

#endif
