/* SPDX-License-Identifier: Apache-2.0
 * ReLU of int8 data. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "vectors.h"

void nnom_relu_s8_mve(int8_t *data, uint32_t size)
{
    __asm__ volatile("vmov.i32 q1, #0\n"
                     "wlstp.8 lr, %[size], 2f\n"
                     "1: vldrb.8 q0, [%[data]]\n"
                     "vmax.s8 q0, q0, q1\n"
                     "vstrb.8 q0, [%[data]], #16\n"
                     "letp lr, 1b\n"
                     "2:"
                     : [data] "+r"(data)
                     : [size] "r"(size)
                     : "lr", "q0", "q1", "memory");
}

#endif
