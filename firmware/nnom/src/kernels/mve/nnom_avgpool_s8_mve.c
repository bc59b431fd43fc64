/* SPDX-License-Identifier: Apache-2.0
 * Average pooling of int8 data, eight channels at once; it divides by a reciprocal. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "sums.h"

/* value / count toward zero. reciprocal: 2^32 / count, rounded up; exact while |value| * count < 2^32;
 * 0 stands for a count of one. */
static inline int32x4_t divided(int32x4_t value, uint32_t reciprocal)
{
    if (reciprocal == 0) {
        return value;
    }
    const int32x4_t sign = vshrq_n_s32(value, 31);
    const uint32x4_t size = vreinterpretq_u32_s32(vabsq_s32(value));
    const int32x4_t result = vreinterpretq_s32_u32(vmulhq_u32(size, vdupq_n_u32(reciprocal)));
    return vsubq_s32(veorq_s32(result, sign), sign);
}

void nnom_avgpool_s8_mve(const nnom_window_t *w, int32_t shift, const int8_t *in, int8_t *out)
{
    if (!nnom_sums_fit(w)) {
        nnom_avgpool_s8_plain(w, shift, in, out);
        return;
    }
    const uint32_t channels = w->channels;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++, out += channels) {
            const nnom_cells_t cells = nnom_cells(w, in, y, nnom_clip_x(w, i));
            const uint32_t taps = (uint32_t)(cells.rows * cells.columns);
            const uint32_t count = shift < 0 || shift > 31 ? 0 : taps >> shift;
            const uint32_t reciprocal = count < 2 ? 0 : UINT32_MAX / count + 1;
            for (uint32_t c = 0; c < channels; c += 8) {
                nnom_sums_t sums = nnom_sums(&cells, c, channels - c);
                sums.even = divided(sums.even, reciprocal);
                sums.odd = divided(sums.odd, reciprocal);
#if NNOM_COMPAT_043 /* NNoM cuts off what a shift lets overflow */
                const int16x8_t both = vmovntq_s32(vmovnbq_s32(vdupq_n_s16(0), sums.even), sums.odd);
                vstrbq_p_s16(out + c, both, vctp16q(channels - c));
#else
                nnom_store_sums(out + c, sums, channels - c);
#endif
            }
        }
    }
}

#endif
