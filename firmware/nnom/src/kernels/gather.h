/* SPDX-License-Identifier: Apache-2.0
 * A window's cells, one after another. */
#ifndef NNOM_GATHER_H
#define NNOM_GATHER_H

#include "window.h"

/* Where the compiler has them: what an address is a multiple of; functions with frames of their
 * own. */
#ifdef __GNUC__
#define WHOLE_WORDS(p) __builtin_assume_aligned(p, 4)
#define APART __attribute__((noinline))
#define MAYBE_UNUSED __attribute__((unused))
#else
#define WHOLE_WORDS(p) (p)
#define APART
#define MAYBE_UNUSED
#endif

static inline void put_word(int8_t *dst, uint32_t word)
{
    memcpy(WHOLE_WORDS(dst), &word, 4);
}

static inline uint32_t word_at(const int8_t *src)
{
    uint32_t word;
    memcpy(&word, WHOLE_WORDS(src), 4);
    return word;
}

/* Short copies: memcpy of a small C library goes byte by byte. */
static inline void copy(int8_t *dst, const int8_t *src, uint32_t n)
{
    if ((((uintptr_t)dst | (uintptr_t)src) & 3u) == 0) {
        for (; n >= 16; n -= 16, dst += 16, src += 16) {
            const uint32_t a = word_at(src), b = word_at(src + 4), c = word_at(src + 8),
                           d = word_at(src + 12);
            put_word(dst, a), put_word(dst + 4, b), put_word(dst + 8, c), put_word(dst + 12, d);
        }
        for (; n >= 4; n -= 4, dst += 4, src += 4) {
            put_word(dst, word_at(src));
        }
    }
    for (; n > 0; n--) {
        *dst++ = *src++;
    }
}

/* dst: scratch, at a multiple of eight */
static inline void fill(int8_t *dst, int8_t value, uint32_t n)
{
    const uint32_t word = (uint8_t)value * 0x01010101u;
    for (; n >= 16; n -= 16, dst += 16) {
        put_word(dst, word), put_word(dst + 4, word);
        put_word(dst + 8, word), put_word(dst + 12, word);
    }
    for (; n > 0; n--) {
        *dst++ = value;
    }
}

/* Copies the window's cells, row by row, pad_value where it leaves the image. */
static APART MAYBE_UNUSED void gather(int8_t *patch, const nnom_conv_t *p, const int8_t *in,
                                           nnom_span_t y, nnom_span_t x)
{
    const nnom_window_t *w = &p->window;
    const int32_t channels = w->channels;
    const size_t row = (size_t)w->kernel_x * w->channels;
    if (nnom_leaves_image(w, y, x)) {
        fill(patch, p->pad_value, (uint32_t)row * w->kernel_y);
    }
    if (x.first >= x.last) {
        return;
    }
    for (int32_t m = y.first; m < y.last; m++) {
        int8_t *dst = patch + (size_t)m * row + x.first * channels;
        const int8_t *src = in + ((y.base + m * w->dilation_y) * w->in_x + x.base +
                                  x.first * w->dilation_x) *
                                     channels;
        if (w->dilation_x == 1) {
            copy(dst, src, (uint32_t)((x.last - x.first) * channels));
            continue;
        }
        for (int32_t n = x.first; n < x.last; n++) {
            copy(dst, src, w->channels);
            dst += channels;
            src += w->dilation_x * channels;
        }
    }
}

#endif
