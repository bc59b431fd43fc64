/* SPDX-License-Identifier: Apache-2.0
 * One output pixel of a convolution straight from the image, tap by tap. */
#ifndef NNOM_MVE_PIXEL_H
#define NNOM_MVE_PIXEL_H

#include "dots.h"

/* Taps of a window in one direction: tap + k * tap_step meets cell + k * cell_step, k < count. */
typedef struct {
    int32_t tap, tap_step, cell, cell_step, count;
} nnom_taps_t;

/* pad_value: what the other taps meet. */
void nnom_mve_pixel(const nnom_conv_t *p, const int8_t *in, const nnom_taps_t *y,
                    const nnom_taps_t *x, int8_t pad_value, int8_t *out);

#endif
