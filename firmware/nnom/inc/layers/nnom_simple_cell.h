/* SPDX-License-Identifier: Apache-2.0
 * Simple recurrent cell. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_SIMPLE_CELL_H
#define NNOM_SIMPLE_CELL_H

#include "layers/nnom_rnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* q_dec_iw, q_dec_hw: fraction bits of the input's and the state's products; q_dec_h: of the state.
 * act_type: ACT_TANH or ACT_SIGMOID. */
typedef struct _nnom_simple_cell_config_t {
    nnom_layer_config_t super;
    nnom_tensor_t *weights;
    nnom_tensor_t *recurrent_weights;
    nnom_tensor_t *bias;
    nnom_qformat_param_t q_dec_iw, q_dec_hw, q_dec_h;
    nnom_activation_type_t act_type;
    uint16_t units;
} nnom_simple_cell_config_t;

typedef struct _nnom_simple_cell_t {
    nnom_rnn_cell_t super;
    nnom_activation_type_t act_type;
    nnom_tensor_t *weights;
    nnom_tensor_t *recurrent_weights;
    nnom_tensor_t *bias;
    nnom_qformat_param_t q_dec_iw, q_dec_hw, q_dec_h;
    nnom_qformat_param_t oshift_iw, oshift_hw, bias_shift;
} nnom_simple_cell_t;

nnom_rnn_cell_t *simple_cell_s(const nnom_simple_cell_config_t *config);
nnom_status_t simple_cell_build(nnom_rnn_cell_t *cell);
nnom_status_t simple_cell_run(nnom_rnn_cell_t *cell);
nnom_status_t simple_cell_free(nnom_rnn_cell_t *cell);

#ifdef __cplusplus
}
#endif

#endif
