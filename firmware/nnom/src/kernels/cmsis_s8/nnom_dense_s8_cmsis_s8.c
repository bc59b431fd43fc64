/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int8 data by CMSIS-NN's s8 function. */
#include "../kernels.h"

#if NNOM_HAS_CMSIS_S8

#include "cmsis.h"

/* Where a function wants the sums of all weights (on Helium), they cost as much as the products. */
void nnom_dense_s8_cmsis_s8(const nnom_dense_t *p, const int8_t *in, int8_t *out)
{
    const nnom_scale_t *s = &p->scale;
    const cmsis_nn_dims filter = {p->columns, 1, 1, p->rows}, input = {1, 1, 1, p->columns};
    arm_cmsis_nn_status status = ARM_CMSIS_NN_ARG_ERROR;
    if (p->scratch != NULL && !s->per_channel && can_scale(s, 1) &&
        arm_fully_connected_s8_get_buffer_size(&filter) == 0) {
        int32_t *bias = (int32_t *)p->scratch;
        for (uint32_t r = 0; r < p->rows; r++) {
            bias[r] = s->bias == NULL ? 0 : nnom_scale_up(s->bias[r], s->bias_shift[0]);
        }
        const cmsis_nn_context context = {NULL, 0};
        const cmsis_nn_fc_params c = {0, 0, 0, limits(s)};
        const cmsis_nn_per_tensor_quant_params q = {
            (int32_t)(1u << (31 - nnom_out_shift(s, 0))), 0};
        const cmsis_nn_dims rows = {1, 1, 1, p->rows};
        status = arm_fully_connected_s8(&context, &c, &q, &input, in, &filter, p->weights, &rows,
                                        bias, &rows, out);
    }
    if (status != ARM_CMSIS_NN_SUCCESS) {
        nnom_own_dense_s8(p, in, out);
    }
}

#endif
