/* SPDX-License-Identifier: Apache-2.0
 * Max pooling of int8 data. */
#include "../kernels.h"

#if NNOM_HAS_V7M

#define BYTES_2X2 0

#include "../maxpool_words.h"

void nnom_maxpool_s8_v7m(const nnom_window_t *w, const int8_t *in, int8_t *out)
{
    max_pool(w, in, out);
}

#endif
