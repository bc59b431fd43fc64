/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data by CMSIS-NN's q7 function. */
#include "../kernels.h"

#if NNOM_HAS_CMSIS_Q7

#include "cmsis.h"

/* NNoM 0.4.3 starts again at bias[0] for the rows left over, CMSIS-NN does not. */
#define HAS_SAME_TAIL(p) (!NNOM_COMPAT_043 || (p)->rows % 4 == 0)

void nnom_dense_x4_s8_cmsis_q7(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const nnom_scale_t *s = &p->scale;
    if (!can_scale(s) || p->scratch == NULL || !HAS_SAME_TAIL(p)) {
        nnom_own_dense_x4_s8(p, in, out);
        return;
    }
    arm_fully_connected_q7_opt(in, p->weights, p->columns, p->rows, (uint16_t)s->bias_shift[0],
                               (uint16_t)s->out_shift[0], s->bias, out, (int16_t *)p->scratch);
    finish(s, out, p->rows);
}

#endif
