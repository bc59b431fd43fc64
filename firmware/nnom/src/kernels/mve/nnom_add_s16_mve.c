/* SPDX-License-Identifier: Apache-2.0
 * Sums of int16 elements, as those of int8 elements are made. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "pairs.h"

void nnom_add_s16_mve(const int16_t *a, const int16_t *b, int16_t *out, int32_t shift, uint32_t n)
{
    const int32_t rest = 1 - shift;
    if (shift == 0) {
        NNOM_LOOP_OF_PAIRS_16(a, b, out, rest, n, "vqadd.s16 q0, q0, q1\n");
    } else if (!nnom_rounds_up()) {
        NNOM_LOOP_OF_PAIRS_16(a, b, out, rest, n, "vhadd.s16 q0, q0, q1\nvshl.s16 q0, %[by]\n");
    } else if (shift == 1) {
        NNOM_LOOP_OF_PAIRS_16(a, b, out, rest, n, "vrhadd.s16 q0, q0, q1\n");
    } else {
        NNOM_LOOP_OF_PAIRS_16(a, b, out, rest, n, "vhadd.s16 q0, q0, q1\nvrshl.s16 q0, %[by]\n");
    }
}

#endif
