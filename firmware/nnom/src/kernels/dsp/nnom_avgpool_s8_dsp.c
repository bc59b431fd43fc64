/* SPDX-License-Identifier: Apache-2.0
 * Average pooling of int8 data. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "pool_sums.h"

/* toward zero; a shift that leaves no tap to divide by leaves the sum itself */
static inline void divide(void *context, const int32_t *sum, uint32_t n, uint32_t taps, int8_t *out)
{
    const int32_t shift = *(const int32_t *)context;
    const int32_t parts = shift < 0 || shift > 31 ? 0 : (int32_t)(taps >> shift);
    const int32_t divisor = parts == 0 ? 1 : parts;
    for (uint32_t k = 0; k < n; k++) {
#if NNOM_COMPAT_043
        out[k] = (int8_t)(sum[k] / divisor); /* NNoM cuts off what a shift lets overflow */
#else
        out[k] = nnom_saturated(sum[k] / divisor);
#endif
    }
}

void nnom_avgpool_s8_dsp(const nnom_window_t *w, int32_t shift, const int8_t *in, int8_t *out)
{
    nnom_for_sums(w, in, out, divide, &shift);
}

#endif
