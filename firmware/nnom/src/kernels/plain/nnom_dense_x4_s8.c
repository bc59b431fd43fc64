/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data, weights in the order "x4". */
#include "../kernels.h"
#include "dot.h"

#include "../dense_rows.h"

void nnom_dense_x4_s8_plain(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    dense_by_tiles(p, in, out);
}
