/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights row by row. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "rows.h"

#define nnom_dot_4_rows(x, weights, n, sum) nnom_dsp_four_rows(x, weights, n, n, sum)

#include "../dense_rows.h"

void nnom_dense_s8_dsp(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    dense_by_rows(p, in, out);
}

#endif
