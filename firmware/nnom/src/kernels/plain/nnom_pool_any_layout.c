/* SPDX-License-Identifier: Apache-2.0
 * Pooling over any layout and element width. */
#include "../requantise.h"
#include "../window.h"

typedef struct {
    const nnom_window_t *w;
    const void *in;
    void *out;
    bool channel_first, wide; /* wide: int16 data */
} pool_t;

/* What one window holds. */
typedef struct {
    int32_t max;
    int64_t sum;
    uint32_t count;
} held_t;

static size_t index_of(const pool_t *p, uint32_t y, uint32_t x, uint32_t c, uint32_t height,
                       uint32_t width)
{
    return p->channel_first ? ((size_t)c * height + y) * width + x
                            : ((size_t)y * width + x) * p->w->channels + c;
}

static held_t window_of(const pool_t *p, uint32_t oy, uint32_t ox, uint32_t c)
{
    const nnom_window_t *w = p->w;
    const nnom_span_t y = nnom_clip_y(w, oy), x = nnom_clip_x(w, ox);
    held_t held = {INT32_MIN, 0, 0};
    for (int32_t m = y.first; m < y.last; m++) {
        for (int32_t n = x.first; n < x.last; n++) {
            const size_t i = index_of(p, (uint32_t)(y.base + m), (uint32_t)(x.base + n), c, w->in_y,
                                      w->in_x);
            const int32_t value = p->wide ? ((const int16_t *)p->in)[i] : ((const int8_t *)p->in)[i];
            held.max = value > held.max ? value : held.max;
            held.sum += value;
            held.count++;
        }
    }
    return held;
}

typedef int32_t (*result_fn)(const pool_t *p, held_t held, int32_t parameter);

static void run(const pool_t *p, result_fn result_of, int32_t parameter)
{
    const nnom_window_t *w = p->w;
    for (uint32_t y = 0; y < w->out_y; y++) {
        for (uint32_t x = 0; x < w->out_x; x++) {
            for (uint32_t c = 0; c < w->channels; c++) {
                const int32_t value = result_of(p, window_of(p, y, x, c), parameter);
                const size_t i = index_of(p, y, x, c, w->out_y, w->out_x);
                if (p->wide) {
                    ((int16_t *)p->out)[i] = (int16_t)value;
                } else {
                    ((int8_t *)p->out)[i] = (int8_t)value;
                }
            }
        }
    }
}

static int32_t max_of(const pool_t *p, held_t held, int32_t parameter)
{
    (void)parameter;
    if (held.count == 0) {
        return p->wide ? INT16_MIN : INT8_MAX; /* NNoM's results for a window with no taps */
    }
    return held.max;
}

/* toward zero; a shift that leaves no tap to divide by leaves the sum itself */
static int32_t average_of(const pool_t *p, held_t held, int32_t shift)
{
    const uint32_t count = shift < 0 || shift > 31 ? 0 : held.count >> shift;
    const int64_t value = held.sum / (int64_t)(count == 0 ? 1 : count);
#if NNOM_COMPAT_043
    (void)p;
    return (int32_t)value; /* NNoM cuts off what a shift lets overflow */
#else
    const int64_t most = p->wide ? INT16_MAX : INT8_MAX;
    return (int32_t)(value > most ? most : value < -most - 1 ? -most - 1 : value);
#endif
}

static int32_t sum_of(const pool_t *p, held_t held, int32_t shift)
{
    const int16_t narrow = nnom_sat_s16(held.sum >> (shift > 31 ? 31 : shift));
    return p->wide ? narrow : nnom_sat_s8(narrow);
}

/* The smallest shift s with 127 * (1 + s) >= the largest magnitude of all sums: the rule of NNoM
 * 0.3 to 0.4.1, the last releases whose sum pooling wrote a result. */
static int32_t shift_for_sums(const pool_t *p)
{
    int64_t largest = 0;
    for (uint32_t y = 0; y < p->w->out_y; y++) {
        for (uint32_t x = 0; x < p->w->out_x; x++) {
            for (uint32_t c = 0; c < p->w->channels; c++) {
                const int64_t sum = window_of(p, y, x, c).sum;
                const int64_t magnitude = sum < 0 ? -sum : sum;
                largest = magnitude > largest ? magnitude : largest;
            }
        }
    }
    int32_t shift = 0;
    while (shift < 31 && 127 * (1 + (int64_t)shift) < largest) {
        shift++;
    }
    return shift;
}

/* ---- kernels ----------------------------------------------------------------------------------- */

#define MAX_POOL(name, T, channel_first, wide)                                  \
    void nnom_maxpool_##name(const nnom_window_t *w, const T *in, T *out)       \
    {                                                                           \
        const pool_t p = {w, in, out, channel_first, wide};                     \
        run(&p, max_of, 0);                                                     \
    }

#define SHIFTED_POOL(kind, name, T, channel_first, wide, result_of)                               \
    void nnom_##kind##pool_##name(const nnom_window_t *w, int32_t shift, const T *in, T *out)     \
    {                                                                                             \
        const pool_t p = {w, in, out, channel_first, wide};                                       \
        run(&p, result_of, shift);                                                                \
    }

#define SUM_POOL(name, channel_first)                                                     \
    void nnom_sumpool_##name(const nnom_window_t *w, const int8_t *in, int8_t *out)       \
    {                                                                                     \
        const pool_t p = {w, in, out, channel_first, false};                              \
        run(&p, sum_of, shift_for_sums(&p));                                              \
    }

MAX_POOL(s16, int16_t, false, true)
MAX_POOL(chw_s8, int8_t, true, false)
MAX_POOL(chw_s16, int16_t, true, true)
SHIFTED_POOL(avg, s16, int16_t, false, true, average_of)
SHIFTED_POOL(avg, chw_s8, int8_t, true, false, average_of)
SHIFTED_POOL(avg, chw_s16, int16_t, true, true, average_of)
SUM_POOL(chw_s8, true)
SHIFTED_POOL(sum, s16, int16_t, false, true, sum_of)
SHIFTED_POOL(sum, chw_s16, int16_t, true, true, sum_of)
