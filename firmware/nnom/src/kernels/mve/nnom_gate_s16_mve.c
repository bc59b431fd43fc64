/* SPDX-License-Identifier: Apache-2.0
 * Products of int16 elements in Q0.15. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "pairs.h"

void nnom_gate_s16_mve(const int16_t *a, const int16_t *b, int16_t *out, uint32_t n)
{
    const int32_t unused = 0;
    if (nnom_rounds_up()) {
        NNOM_LOOP_OF_PAIRS_16(a, b, out, unused, n, "vqrdmulh.s16 q0, q0, q1\n");
    } else {
        NNOM_LOOP_OF_PAIRS_16(a, b, out, unused, n, "vqdmulh.s16 q0, q0, q1\n");
    }
}

#endif
