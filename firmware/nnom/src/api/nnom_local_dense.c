/* SPDX-License-Identifier: Apache-2.0
 * NNoM's products of matrices and vectors: their arguments put in order. */
#include "nnom.h"

#include "../kernels/kernels.h"

#define FULLY_CONNECTED(name, T, kernel)                                                           \
    void local_fully_connected_##name(NNOM_FULLY_CONNECTED_ARGUMENTS(T))                           \
    {                                                                                              \
        const nnom_qformat_param_t bias_by = bias_shift, out_by = out_shift;                       \
        const nnom_dense_t p = {.scale = {bias, &bias_by, &out_by, false, false},                  \
                                .weights = pM,                                                     \
                                .columns = dim_vec,                                                \
                                .rows = num_of_rows};                                              \
        (void)vec_buffer;                                                                          \
        kernel(&p, pV, pOut);                                                                      \
    }

FULLY_CONNECTED(q7, q7_t, nnom_dense_s8)
FULLY_CONNECTED(q7_opt, q7_t, nnom_dense_x4_s8)
FULLY_CONNECTED(mat_q7_vec_q15, q15_t, nnom_dense_s16)
FULLY_CONNECTED(mat_q7_vec_q15_opt, q15_t, nnom_dense_x2_s16)

void local_dot_q7(NNOM_DOT_ARGUMENTS(q7_t))
{
    local_fully_connected_q7(pV, pM, dim_vec, num_of_rows, 0, out_shift, NULL, pOut, NULL);
}

void local_dot_q7_opt(NNOM_DOT_ARGUMENTS(q7_t))
{
    local_fully_connected_q7_opt(pV, pM, dim_vec, num_of_rows, 0, out_shift, NULL, pOut, NULL);
}

void local_dot_q15(NNOM_DOT_ARGUMENTS(q15_t))
{
    nnom_dot_s16(pM, dim_vec, num_of_rows, out_shift, pV, pOut);
}

void local_dot_q15_opt(NNOM_DOT_ARGUMENTS(q15_t))
{
    nnom_dot_x4_s16(pM, dim_vec, num_of_rows, out_shift, pV, pOut);
}
