/* SPDX-License-Identifier: Apache-2.0
 * Loops of recurrent cells. */
#include "../requantise.h"

static int32_t scaled(int32_t product, int32_t shift)
{
    return nnom_sat_s16((product + nnom_round(shift)) >> shift);
}

void nnom_gate_s16_plain(const int16_t *a, const int16_t *b, int16_t *out, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        out[k] = (int16_t)scaled(a[k] * b[k], 15);
    }
}

void nnom_blend_s16_plain(const int16_t *z, const int16_t *h, const int16_t *g, int16_t *out,
                          uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        out[k] = nnom_sat_s16(scaled(z[k] * h[k], 15) + scaled((INT16_MAX - z[k]) * g[k], 15));
    }
}

void nnom_state_s16_plain(const int16_t *i, const int16_t *g, const int16_t *f, const int16_t *c,
                          int32_t shift, int16_t *out, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        out[k] = nnom_sat_s16(scaled(i[k] * g[k], shift) + scaled(f[k] * c[k], 15));
    }
}
