/* SPDX-License-Identifier: Apache-2.0
 * What the kernels for Helium share: results from sums, four at once, and short copies. */
#ifndef NNOM_MVE_VECTORS_H
#define NNOM_MVE_VECTORS_H

#include <arm_mve.h>

#include "../requantise.h"

/* Shifts of channels f to f + 3. */
static inline int32x4_t nnom_shifts(const nnom_scale_t *s, const int32_t *shift, uint32_t f)
{
    return s->per_channel ? vldrwq_s32(shift + f) : vdupq_n_s32(*shift);
}

/* nnom_round() of each shift */
static inline int32x4_t nnom_rounds(int32x4_t shift)
{
    return vshlq_s32(vdupq_n_s32(nnom_round(30)), vsubq_n_s32(shift, 30));
}

/* nnom_start() of channels f to f + 3 */
static inline int32x4_t nnom_starts(const nnom_scale_t *s, uint32_t f)
{
    const int32x4_t round = nnom_rounds(nnom_shifts(s, s->out_shift, f));
    if (s->bias == NULL) {
        return round;
    }
    const int32x4_t bias = vldrbq_s32(s->bias + f);
    return vaddq_s32(vshlq_s32(bias, nnom_shifts(s, s->bias_shift, f)), round);
}

/* The least result: with ReLU it is zero. */
static inline int32_t nnom_least(const nnom_scale_t *s)
{
    return s->relu ? 0 : INT8_MIN;
}

/* Four results from sums; right: the shifts, negative. */
static inline void nnom_store_4(int8_t *out, int32x4_t sums, int32x4_t right, int32x4_t least,
                                int32x4_t most)
{
    const int32x4_t value = vshlq_s32(sums, right);
    vstrbq_s32(out, vminq_s32(vmaxq_s32(value, least), most));
}

static inline void nnom_copy(int8_t *to, const int8_t *from, uint32_t n)
{
    __asm__ volatile("wlstp.8 lr, %2, 2f\n"
                     "1: vldrb.8 q0, [%1], #16\n"
                     "vstrb.8 q0, [%0], #16\n"
                     "letp lr, 1b\n"
                     "2:"
                     : "+r"(to), "+r"(from)
                     : "r"(n)
                     : "lr", "q0", "memory");
}

static inline void nnom_fill(int8_t *to, int8_t value, uint32_t n)
{
    __asm__ volatile("vdup.8 q0, %1\n"
                     "wlstp.8 lr, %2, 2f\n"
                     "1: vstrb.8 q0, [%0], #16\n"
                     "letp lr, 1b\n"
                     "2:"
                     : "+r"(to)
                     : "r"(value), "r"(n)
                     : "lr", "q0", "memory");
}

#endif
