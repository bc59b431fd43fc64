/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of int8 data. */
#include "../kernels.h"

#if NNOM_HAS_V6M

#include "finish.h"

/* sum + three taps of a channel, each `next` bytes after the one before; passes the first ones */
static inline int32_t dot_3(const int8_t **x, const int8_t **w, uint32_t next, int32_t sum)
{
    const int8_t *const to_x = *x, *const to_w = *w;
    sum += to_x[0] * to_w[0];
    sum += to_x[next] * to_w[next];
    next *= 2;
    sum += to_x[next] * to_w[next];
    *x = to_x + 1, *w = to_w + 1;
    return sum;
}

#include "../depthwise_window.h"

size_t nnom_depthwise_s8_v6m_scratch(const nnom_conv_t *p)
{
    return bytes_of_window(p);
}

void nnom_depthwise_s8_v6m(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    if (p->scratch == NULL) {
        nnom_depthwise_s8_plain(p, in, out);
    } else {
        depthwise(p, in, out);
    }
}

#endif
