/* SPDX-License-Identifier: Apache-2.0
 * What the kernels for Helium share: results from sums, four at once, and short copies. */
#ifndef NNOM_MVE_VECTORS_H
#define NNOM_MVE_VECTORS_H

#include <arm_mve.h>

#include "../requantise.h"

/* A scale for four channels at once. */
typedef struct {
    const int8_t *bias;
    const int32_t *bias_shift, *out_shift; /* NULL: the same for all channels, as below */
    int32_t left, round, right; /* right: a shift to the left, which is negative */
    int32_t least;
} nnom_scale_4_t;

static inline nnom_scale_4_t nnom_scale_4(const nnom_scale_t *s)
{
    nnom_scale_4_t v = {s->bias, NULL, NULL, 0, nnom_round(*s->out_shift), -*s->out_shift,
                        s->relu ? 0 : INT8_MIN};
    if (s->per_channel) {
        v.bias_shift = s->bias_shift;
        v.out_shift = s->out_shift;
    } else if (s->bias != NULL) {
        v.left = *s->bias_shift;
    }
    return v;
}

/* nnom_round() of each shift: the bit of the greatest one, to the right */
static inline int32x4_t nnom_rounds(int32x4_t shift)
{
    return vshlq_s32(vdupq_n_s32(nnom_round(30)), vsubq_n_s32(shift, 30));
}

/* nnom_start() of the next four channels; `right` becomes theirs where each has its own. */
static inline int32x4_t nnom_start_4(nnom_scale_4_t *v, int32x4_t *right)
{
    const int8_t *const bias = v->bias;
    if (v->out_shift == NULL) {
        if (bias == NULL) {
            return vdupq_n_s32(v->round);
        }
        v->bias += 4;
        return vaddq_n_s32(vshlq_r_s32(vldrbq_s32(bias), v->left), v->round);
    }
    const int32x4_t shift = vldrwq_s32(v->out_shift);
    const int32x4_t round = nnom_rounds(shift);
    v->out_shift += 4;
    *right = vnegq_s32(shift);
    if (bias == NULL) {
        return round;
    }
    const int32x4_t left = vldrwq_s32(v->bias_shift);
    v->bias += 4, v->bias_shift += 4;
    return vaddq_s32(vshlq_s32(vldrbq_s32(bias), left), round);
}

/* The next four are to begin so many channels earlier. */
static inline void nnom_scale_back(nnom_scale_4_t *v, uint32_t channels)
{
    v->bias = v->bias == NULL ? NULL : v->bias - channels;
    if (v->out_shift != NULL) {
        v->out_shift -= channels, v->bias_shift -= channels;
    }
}

static inline void nnom_finish_4(int32x4_t sums, int32x4_t right, int32_t least, int8_t *out)
{
    const int32x4_t value = vmaxq_s32(vshlq_s32(sums, right), vdupq_n_s32(least));
    vstrbq_s32(out, vminq_s32(value, vdupq_n_s32(INT8_MAX)));
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
