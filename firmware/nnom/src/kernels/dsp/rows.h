/* SPDX-License-Identifier: Apache-2.0
 * x with four rows of weights. */
#ifndef NNOM_DSP_ROWS_H
#define NNOM_DSP_ROWS_H

#include "dot.h"

/* n products of each of four rows, `apart` bytes from one to the next; sum[k] += row k. */
void nnom_dsp_four_rows(const int8_t *x, const int8_t *weights, uint32_t n, uint32_t apart,
                        int32_t sum[4]);

#endif
