/* SPDX-License-Identifier: Apache-2.0
 * Between int8 and int16. */
#include "../kernels.h"

void nnom_widen_unscaled(const int8_t *in, int16_t *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        out[i] = in[i];
    }
}

void nnom_widen(const int8_t *in, int16_t *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (int16_t)(in[i] * 256);
    }
}

void nnom_narrow(const int16_t *in, uint32_t shift, int8_t *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (int8_t)(in[i] >> (shift > 15 ? 15 : shift));
    }
}

void nnom_one_minus(const int16_t *in, uint32_t dec, int16_t *out, uint32_t n)
{
    const int32_t one = dec > 15 ? INT16_MAX : (1 << dec) - 1;
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (int16_t)(one - in[i]);
    }
}
