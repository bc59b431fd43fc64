/* SPDX-License-Identifier: Apache-2.0
 * Interpolation between entries of a table, four int16 at once. */
#ifndef NNOM_MVE_LOOK_UP_H
#define NNOM_MVE_LOOK_UP_H

#include "vectors.h"

#define NNOM_LEAST_ENTRY (-128)
#define NNOM_LAST_ENTRY 127

/* Does NNoM 0.4.3 wrap indices beyond the table? */
static inline bool nnom_can_look_up(int32_t shift)
{
    return shift <= 15 && shift >= (NNOM_COMPAT_043 ? 8 : 0);
}

/* x >> shift is the entry, the rest leads to the next one; beyond the table it is the table's end. */
static inline int32x4_t nnom_look_up(const int16_t *table, int32x4_t x, int32_t shift)
{
    const int32x4_t last = vdupq_n_s32(NNOM_LAST_ENTRY), byte = vdupq_n_s32(255);
    x = vmaxq_s32(x, vdupq_n_s32(nnom_scale_up(NNOM_LEAST_ENTRY, shift)));
    const int32x4_t fraction = vandq_s32(x, vdupq_n_s32((1 << shift) - 1));
    const int32x4_t i = vminq_s32(vshlq_r_s32(x, -shift), last);
    const int32x4_t j = vminq_s32(vaddq_n_s32(i, 1), last); /* the last entry has no next one */
    const int32x4_t value = vldrhq_gather_shifted_offset_s32(
        table, vreinterpretq_u32_s32(vandq_s32(i, byte)));
    const int32x4_t next = vldrhq_gather_shifted_offset_s32(
        table, vreinterpretq_u32_s32(vandq_s32(j, byte)));
    const int32x4_t more = vmulq_s32(fraction, vsubq_s32(next, value));
    return vshlq_r_s32(vaddq_s32(vshlq_r_s32(value, shift), more), -shift);
}

static inline void nnom_look_up_all(const int16_t *table, int16_t *data, uint32_t n, int32_t shift)
{
    for (; n >= 4; n -= 4, data += 4) {
        vstrhq_s32(data, nnom_look_up(table, vldrhq_s32(data), shift));
    }
    if (n > 0) {
        const mve_pred16_t some = vctp32q(n);
        vstrhq_p_s32(data, nnom_look_up(table, vldrhq_z_s32(data, some), shift), some);
    }
}

#endif
