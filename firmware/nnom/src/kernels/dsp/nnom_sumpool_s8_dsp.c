/* SPDX-License-Identifier: Apache-2.0
 * Sum pooling of int8 data: first the largest sum, then the results. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "pool_sums.h"

static inline void find_largest(void *context, const int32_t *sum, uint32_t n, uint32_t taps,
                                int8_t *out)
{
    int32_t *const largest = (int32_t *)context;
    (void)taps;
    (void)out;
    for (uint32_t k = 0; k < n; k++) {
        const int32_t magnitude = sum[k] < 0 ? -sum[k] : sum[k];
        *largest = magnitude > *largest ? magnitude : *largest;
    }
}

static inline void shift_right(void *context, const int32_t *sum, uint32_t n, uint32_t taps,
                               int8_t *out)
{
    const int32_t shift = *(const int32_t *)context;
    (void)taps;
    for (uint32_t k = 0; k < n; k++) {
        out[k] = nnom_saturated(sum[k] >> shift);
    }
}

void nnom_sumpool_s8_dsp(const nnom_window_t *w, const int8_t *in, int8_t *out)
{
    int32_t largest = 0, shift = 0;
    nnom_for_sums(w, in, out, find_largest, &largest);
    while (shift < 31 && 127 * (1 + shift) < largest) {
        shift++;
    }
    nnom_for_sums(w, in, out, shift_right, &shift);
}

#endif
