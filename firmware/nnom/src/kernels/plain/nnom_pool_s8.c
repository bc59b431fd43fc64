/* SPDX-License-Identifier: Apache-2.0
 * Average and sum pooling of int8 data. */
#include "../requantise.h"
#include "../window.h"

/* The taps of a window that are inside the image. */
typedef struct {
    const int8_t *cell;
    uint32_t rows, columns;
} inside_t;

static inline uint32_t taps_between(nnom_span_t s)
{
    return s.last > s.first ? (uint32_t)(s.last - s.first) : 0;
}

static inline inside_t inside_of(const nnom_window_t *w, const int8_t *in, nnom_span_t y,
                                 nnom_span_t x)
{
    inside_t inside = {in, taps_between(y), taps_between(x)};
    if (inside.rows > 0 && inside.columns > 0) {
        inside.cell += ((size_t)(y.base + y.first) * w->in_x + (size_t)(x.base + x.first)) *
                       w->channels;
    }
    return inside;
}

/* Of up to 255 rows: they are below 2^8 * 2^16 * 2^7. */
static inline int32_t sum_of_rows(const int8_t *cell, uint32_t rows, uint32_t columns,
                                  uint32_t channels, size_t row)
{
    int32_t sum = 0;
    for (; rows > 0; rows--, cell += row) {
        const int8_t *tap = cell;
        uint32_t n = columns;
        for (; n >= 2; n -= 2, tap += 2 * channels) {
            sum += tap[0] + tap[channels];
        }
        if (n > 0) {
            sum += *tap;
        }
    }
    return sum;
}

/* The sum of a channel, whose first tap is at cell. */
static inline int64_t sum_of(const int8_t *cell, inside_t inside, uint32_t channels, size_t row)
{
    int64_t sum = 0;
    for (; inside.rows > 255; inside.rows -= 255, cell += 255 * row) {
        sum += sum_of_rows(cell, 255, inside.columns, channels, row);
    }
    return sum + sum_of_rows(cell, inside.rows, inside.columns, channels, row);
}

/* Toward zero. For up to 362 taps by the reciprocal, in Q24, rounded up: its error times a sum is
 * below 362 * 128 * 362 < 2^24, so that no quotient changes. */
typedef struct {
    uint32_t divisor, reciprocal;
} divider_t;

static divider_t divider_of(uint32_t taps, int32_t shift)
{
    const uint32_t shifted = shift < 0 || shift > 31 ? 0 : taps >> shift;
    const divider_t d = {shifted == 0 ? 1 : shifted,
                         shift == 0 && taps > 0 && taps <= 362 ? (1u << 24) / taps + 1 : 0};
    return d;
}

static inline int8_t average_of(int64_t sum, divider_t d)
{
    if (d.reciprocal != 0) {
        const int32_t narrow = (int32_t)sum;
        const uint32_t magnitude = (uint32_t)(narrow < 0 ? -narrow : narrow);
        const int32_t quotient = (int32_t)((magnitude * d.reciprocal) >> 24);
        return (int8_t)(narrow < 0 ? -quotient : quotient);
    }
    const int64_t value = sum / (int64_t)d.divisor;
#if NNOM_COMPAT_043
    return (int8_t)value; /* NNoM cuts off what a shift lets overflow */
#else
    return (int8_t)(value > INT8_MAX ? INT8_MAX : value < INT8_MIN ? INT8_MIN : value);
#endif
}

void nnom_avgpool_s8_plain(const nnom_window_t *window, int32_t shift, const int8_t *in, int8_t *out)
{
    const nnom_window_t copy = *window, *w = &copy; /* which no store can change */
    const uint32_t channels = w->channels;
    const size_t row = (size_t)w->in_x * channels;
    uint32_t taps = 0;
    divider_t divider = divider_of(taps, shift);
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++) {
            const inside_t inside = inside_of(w, in, y, nnom_clip_x(w, i));
            if (inside.rows * inside.columns != taps) {
                taps = inside.rows * inside.columns;
                divider = divider_of(taps, shift);
            }
            for (uint32_t c = 0; c < channels; c++) {
                *out++ = average_of(sum_of(inside.cell + c, inside, channels, row), divider);
            }
        }
    }
}

/* The smallest shift s with 127 * (1 + s) >= the largest magnitude of all sums: the rule of NNoM
 * 0.3 to 0.4.1, the last releases whose sum pooling wrote a result. */
static int32_t shift_for(int64_t largest)
{
    int32_t shift = 0;
    while (shift < 31 && 127 * (1 + (int64_t)shift) < largest) {
        shift++;
    }
    return shift;
}

/* out NULL: returns the largest magnitude. */
static int64_t sums(const nnom_window_t *w, const int8_t *in, int32_t shift, int8_t *out)
{
    const uint32_t channels = w->channels;
    const size_t row = (size_t)w->in_x * channels;
    int64_t largest = 0;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++) {
            const inside_t inside = inside_of(w, in, y, nnom_clip_x(w, i));
            for (uint32_t c = 0; c < channels; c++) {
                const int64_t sum = sum_of(inside.cell + c, inside, channels, row);
                if (out != NULL) {
                    *out++ = nnom_sat_s8(nnom_sat_s16(sum >> shift));
                } else {
                    const int64_t magnitude = sum < 0 ? -sum : sum;
                    largest = magnitude > largest ? magnitude : largest;
                }
            }
        }
    }
    return largest;
}

void nnom_sumpool_s8_plain(const nnom_window_t *window, const int8_t *in, int8_t *out)
{
    const nnom_window_t copy = *window, *w = &copy; /* which no store can change */
    (void)sums(w, in, shift_for(sums(w, in, 0, NULL)), out);
}
