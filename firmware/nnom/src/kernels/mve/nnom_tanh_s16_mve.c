/* SPDX-License-Identifier: Apache-2.0
 * Hyperbolic tangent of int16 data, in place. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "look_up.h"

void nnom_tanh_s16_mve(int16_t *data, uint32_t size, uint16_t int_width)
{
    const int32_t shift = 11 - (int16_t)int_width;
    if (nnom_can_look_up(shift)) {
        nnom_look_up_all(nnom_tanh_table_q15, data, size, shift);
    } else {
        nnom_tanh_s16_plain(data, size, int_width);
    }
}

#endif
