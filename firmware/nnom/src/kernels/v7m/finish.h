/* SPDX-License-Identifier: Apache-2.0
 * Results on cores with saturation, which compilers see in C only now and then. */
#ifndef NNOM_V7M_FINISH_H
#define NNOM_V7M_FINISH_H

#include "../requantise.h"

static inline int32_t clamped(int32_t value)
{
    __asm__("ssat %0, #8, %0" : "+r"(value));
    return value;
}

/* With ReLU: 0 to 127. */
static inline int32_t clamped_relu(int32_t value)
{
    __asm__("usat %0, #7, %0" : "+r"(value));
    return value;
}

static inline int16_t saturated_s16(int32_t value)
{
    __asm__("ssat %0, #16, %0" : "+r"(value));
    return (int16_t)value;
}

#include "../saturated.h"

#endif
