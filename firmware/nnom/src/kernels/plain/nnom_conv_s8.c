/* SPDX-License-Identifier: Apache-2.0
 * Convolution of int8 data. */
#include "../kernels.h"
#include "dot.h"

#include "../conv_patch.h"

size_t nnom_conv_s8_plain_scratch(const nnom_conv_t *p)
{
    return bytes_of_patch(p);
}

void nnom_conv_s8_plain(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    convolve(p, in, out);
}
