/* SPDX-License-Identifier: Apache-2.0
 * Max pooling of int8 data, four channels in a word where addresses allow. A form says with
 * BYTES_2X2 whether windows of four cells are taken byte by byte, and includes this. */
#ifndef NNOM_MAXPOOL_WORDS_H
#define NNOM_MAXPOOL_WORDS_H

#include "gather.h"

#define SIGNS 0x80808080u

/* The larger of each of four bytes. The top bit of not_less says that the lower bits of a are not
 * less than those of b; where the signs differ, it is b's sign that says that a is larger. */
static inline uint32_t max_of_four(uint32_t a, uint32_t b)
{
    const uint32_t differ = a ^ b;
    const uint32_t not_less = (a | SIGNS) - (b & ~SIGNS);
    const uint32_t is_a = ((not_less ^ ((not_less ^ b) & differ)) & SIGNS) >> 7;
    return b ^ (differ & ((is_a << 8) - is_a));
}

static inline uint32_t max_of_words(const int8_t *cell, uint32_t row, uint32_t rows,
                                    uint32_t columns, uint32_t channels)
{
    if (!BYTES_2X2 && rows == 2 && columns == 2) {
        const uint32_t upper = max_of_four(word_at(cell), word_at(cell + channels));
        cell += row;
        return max_of_four(max_of_four(word_at(cell), word_at(cell + channels)), upper);
    }
    uint32_t max = SIGNS;
    for (; rows > 0; rows--, cell += row) {
        const int8_t *at = cell;
        for (uint32_t n = columns; n > 0; n--, at += channels) {
            max = max_of_four(word_at(at), max);
        }
    }
    return max;
}

static inline void max_of_2x2(const int8_t *cell, uint32_t row, uint32_t channels, int8_t *out)
{
    int8_t *const end = out + channels;
    const uint32_t last = row + channels;
    for (; out != end; cell++) {
        int32_t max = cell[channels];
        const int32_t a = cell[0], b = cell[row], c = cell[last];
        max = a > max ? a : max;
        max = b > max ? b : max;
        max = c > max ? c : max;
        *out++ = (int8_t)max;
    }
}

static inline int8_t max_of_bytes(const int8_t *cell, uint32_t row, uint32_t rows, uint32_t columns,
                                  uint32_t channels)
{
    int32_t max = INT8_MIN;
    for (; rows > 0; rows--, cell += row) {
        const int8_t *at = cell;
        for (uint32_t n = columns; n > 0; n--, at += channels) {
            max = *at > max ? *at : max;
        }
    }
    return (int8_t)max;
}

/* All channels of a window that has taps. */
static __attribute__((noinline)) void max_of_window(const int8_t *cell, uint32_t row, uint32_t rows,
                                                    uint32_t columns, uint32_t channels,
                                                    int8_t *out)
{
    if (BYTES_2X2 && rows == 2 && columns == 2) {
        max_of_2x2(cell, row, channels, out);
        return;
    }
    int8_t *const end = out + channels;
    if ((((uintptr_t)cell | (uintptr_t)out | channels) & 3u) == 0) {
        for (; out != end; out += 4, cell += 4) {
            put_word(out, max_of_words(cell, row, rows, columns, channels));
        }
    }
    for (; out != end; out++, cell++) {
        *out = max_of_bytes(cell, row, rows, columns, channels);
    }
}

static inline void max_pool(const nnom_window_t *w, const int8_t *in, int8_t *out)
{
    const uint32_t channels = w->channels, row = (uint32_t)w->in_x * channels;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        const uint32_t rows = y.last > y.first ? (uint32_t)(y.last - y.first) : 0;
        for (uint32_t i = 0; i < w->out_x; i++, out += channels) {
            const nnom_span_t x = nnom_clip_x(w, i);
            if (rows == 0 || x.first >= x.last) {
                nnom_memset(out, INT8_MAX, channels); /* NNoM's result for a window with no taps */
                continue;
            }
            const int8_t *cell = in + (uint32_t)(y.base + y.first) * row +
                                 (uint32_t)(x.base + x.first) * channels;
            max_of_window(cell, row, rows, (uint32_t)(x.last - x.first), channels, out);
        }
    }
}

#endif
