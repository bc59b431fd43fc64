/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data by CMSIS-NN's q7 function. */
#include "../kernels.h"

#if NNOM_HAS_CMSIS_Q7

#include "cmsis.h"

void nnom_dense_s8_cmsis_q7(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const nnom_scale_t *s = &p->scale;
    if (!can_scale(s) || p->scratch == NULL) {
        nnom_own_dense_s8(p, in, out);
        return;
    }
    arm_fully_connected_q7(in, p->weights, p->columns, p->rows, (uint16_t)s->bias_shift[0],
                           (uint16_t)s->out_shift[0], s->bias, out, (int16_t *)p->scratch);
    finish(s, out, p->rows);
}

#endif
