/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights row by row. */
#include "../kernels.h"
#include "dot.h"

#include "../dense_rows.h"

void nnom_dense_s8_plain(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    dense_by_rows(p, in, out);
}
