/* SPDX-License-Identifier: Apache-2.0
 * Sums of int8 elements. */
#include "../kernels.h"

#if NNOM_HAS_V7M

#include "finish.h"

#define HAS_OFFSETS 1

#include "../elements.h"

void nnom_add_s8_v7m(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift, uint32_t n)
{
    elements(ADD, a, b, out, shift, n);
}

#endif
