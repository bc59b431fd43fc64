/* SPDX-License-Identifier: Apache-2.0
 * Sum pooling of int8 data, eight channels at once: all sums for their shift, then again for results. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "sums.h"

/* The largest magnitude of all sums, which are stored, shifted right, where out is not NULL. */
static uint32_t all_sums(const nnom_window_t *w, const int8_t *in, int32_t shift, int8_t *out)
{
    const uint32_t channels = w->channels;
    const int32x4_t right = vdupq_n_s32(-shift);
    uint32x4_t largest = vdupq_n_u32(0);
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++) {
            const nnom_cells_t cells = nnom_cells(w, in, y, nnom_clip_x(w, i));
            for (uint32_t c = 0; c < channels; c += 8) {
                nnom_sums_t sums = nnom_sums(&cells, c, channels - c);
                if (out == NULL) {
                    largest = vmaxaq_s32(vmaxaq_s32(largest, sums.even), sums.odd);
                } else {
                    sums.even = vshlq_s32(sums.even, right);
                    sums.odd = vshlq_s32(sums.odd, right);
                    nnom_store_sums(out + c, sums, channels - c);
                }
            }
            out = out == NULL ? NULL : out + channels;
        }
    }
    return vmaxvq_u32(0, largest);
}

void nnom_sumpool_s8_mve(const nnom_window_t *w, const int8_t *in, int8_t *out)
{
    if (!nnom_sums_fit(w)) {
        nnom_sumpool_s8_plain(w, in, out);
        return;
    }
    const uint32_t largest = all_sums(w, in, 0, NULL);
    int32_t shift = 0; /* the smallest with 127 * (1 + shift) >= largest */
    while (shift < 31 && 127u * (uint32_t)(1 + shift) < largest) {
        shift++;
    }
    (void)all_sums(w, in, shift, out);
}

#endif
