/* SPDX-License-Identifier: Apache-2.0
 * Results of int8. A form's finish.h defines clamped() and clamped_relu(), then includes this. */
#ifndef NNOM_SATURATED_H
#define NNOM_SATURATED_H

#include "requantise.h"

static inline int8_t saturated(int32_t value)
{
    return (int8_t)clamped(value);
}

static inline int8_t saturated_relu(int32_t value)
{
    return (int8_t)clamped_relu(value);
}

static inline int8_t finish(const nnom_scale_t *s, uint32_t channel, int32_t sum)
{
    const int32_t value = sum >> nnom_out_shift(s, channel);
    return s->relu ? saturated_relu(value) : saturated(value);
}

#endif
