/* SPDX-License-Identifier: Apache-2.0
 * ReLU of int8 data, in place, four at a time: USAT16 would need them apart, SSUB8 tells which are
 * negative and SEL takes zeros for those. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "bytes.h"

void nnom_relu_s8_dsp(int8_t *data, uint32_t size)
{
    for (; size >= 8; size -= 8, data += 8) {
        const uint32_t first = nnom_load4(data), second = nnom_load4(data + 4);
        nnom_store4(data, nnom_largest(first, 0));
        nnom_store4(data + 4, nnom_largest(second, 0));
    }
    for (; size > 0; size--, data++) {
        *data = *data < 0 ? 0 : *data;
    }
}

#endif
