/* SPDX-License-Identifier: Apache-2.0
 * Sums of int8 elements. Half the sum fits eight bits; with h = (a + b) >> 1 a shift of two and more is
 * (h + round / 2) >> (shift - 1), which VRSHL does. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "pairs.h"

void nnom_add_s8_mve(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift, uint32_t n)
{
    const int32_t rest = 1 - shift;
    if (shift == 0) {
        NNOM_LOOP_OF_PAIRS(a, b, out, rest, n, "vqadd.s8 q0, q0, q1\n");
    } else if (!nnom_rounds_up()) {
        NNOM_LOOP_OF_PAIRS(a, b, out, rest, n, "vhadd.s8 q0, q0, q1\nvshl.s8 q0, %[by]\n");
    } else if (shift == 1) {
        NNOM_LOOP_OF_PAIRS(a, b, out, rest, n, "vrhadd.s8 q0, q0, q1\n");
    } else {
        NNOM_LOOP_OF_PAIRS(a, b, out, rest, n, "vhadd.s8 q0, q0, q1\nvrshl.s8 q0, %[by]\n");
    }
}

#endif
