/* SPDX-License-Identifier: Apache-2.0
 * Differences of int8 elements. */
#include "../kernels.h"

#if NNOM_HAS_V6M

#include "finish.h"

#define HAS_OFFSETS 0

#include "../elements.h"

void nnom_sub_s8_v6m(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift, uint32_t n)
{
    elements(SUB, a, b, out, shift, n);
}

#endif
