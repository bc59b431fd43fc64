/* SPDX-License-Identifier: Apache-2.0
 * Results on cores without saturation: one comparison where nothing is cut off. */
#ifndef NNOM_V6M_FINISH_H
#define NNOM_V6M_FINISH_H

#include "../requantise.h"

static inline int8_t saturated(int32_t value)
{
    if (value != (int8_t)value) {
        value = (value >> 31) ^ INT8_MAX;
    }
    return (int8_t)value;
}

/* With ReLU: 0 to 127. */
static inline int8_t saturated_relu(int32_t value)
{
    if ((uint32_t)value > INT8_MAX) {
        value = ~(value >> 31) & INT8_MAX;
    }
    return (int8_t)value;
}

#endif
