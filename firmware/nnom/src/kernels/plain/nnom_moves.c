/* SPDX-License-Identifier: Apache-2.0
 * Kernels that only move data: rows of bytes, whatever the element and the layout. */
#include "../gather.h"

#define LONG_ROW 64 /* in bytes: where memcpy is worth its call */

static size_t row_of(const nnom_picture_t *p)
{
    return p->x * p->cell;
}

void nnom_copy_rows(const void *in, size_t in_step, void *out, size_t out_step, size_t row,
                    size_t count)
{
    const int8_t *src = (const int8_t *)in;
    int8_t *dst = (int8_t *)out;
    const uintptr_t all = (uintptr_t)src | (uintptr_t)dst | in_step | out_step | row;
    if ((all & 3u) != 0 || row > LONG_ROW) {
        for (; count > 0; count--, src += in_step, dst += out_step) {
            nnom_memcpy(dst, src, row);
        }
        return;
    }
    for (; count > 0; count--, src += in_step, dst += out_step) {
        for (size_t i = 0; i < row; i += 4) {
            put_word(dst + i, word_at(src + i));
        }
    }
}

void nnom_up_sample(const nnom_picture_t *p, uint32_t times_x, uint32_t times_y, const void *in,
                    void *out)
{
    const uint8_t *src = (const uint8_t *)in;
    uint8_t *dst = (uint8_t *)out;
    const size_t row = row_of(p) * times_x;
    for (uint32_t y = 0; y < p->y * p->planes; y++) {
        const uint8_t *first_row = dst;
        for (uint32_t x = 0; x < p->x; x++, src += p->cell) {
            for (uint32_t n = 0; n < times_x; n++, dst += p->cell) {
                nnom_memcpy(dst, src, p->cell);
            }
        }
        for (uint32_t m = 1; m < times_y; m++, dst += row) {
            nnom_memcpy(dst, first_row, row);
        }
    }
}

void nnom_zero_pad(const nnom_picture_t *p, uint32_t top, uint32_t bottom, uint32_t left,
                   uint32_t out_x, const void *in, void *out)
{
    const uint8_t *src = (const uint8_t *)in;
    uint8_t *dst = (uint8_t *)out;
    const size_t row = row_of(p), out_row = out_x * p->cell;
    for (uint32_t n = 0; n < p->planes; n++) {
        nnom_memset(dst, 0, out_row * (top + p->y + bottom));
        dst += top * out_row + left * p->cell;
        for (uint32_t y = 0; y < p->y; y++, src += row, dst += out_row) {
            nnom_memcpy(dst, src, row);
        }
        dst += bottom * out_row - left * p->cell;
    }
}

void nnom_crop(const nnom_picture_t *p, uint32_t top, uint32_t left, uint32_t out_x, uint32_t out_y,
               const void *in, void *out)
{
    const uint8_t *src = (const uint8_t *)in;
    uint8_t *dst = (uint8_t *)out;
    const size_t row = row_of(p), out_row = out_x * p->cell;
    for (uint32_t n = 0; n < p->planes; n++, src += p->y * row) {
        const uint8_t *cell = src + top * row + left * p->cell;
        for (uint32_t y = 0; y < out_y; y++, cell += row, dst += out_row) {
            nnom_memcpy(dst, cell, out_row);
        }
    }
}
