/* SPDX-License-Identifier: Apache-2.0
 * Long short-term memory: int8 data, int16 state. Gates in the order i, f, c, o. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_LSTM_CELL_H
#define NNOM_LSTM_CELL_H

#include "layers/nnom_rnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* q_dec_z, q_dec_h, q_dec_c: fraction bits of the gates' sums, of the output and of the cell state,
 * as int8; the state itself has eight more. */
typedef struct _nnom_lstm_cell_config_t {
    nnom_layer_config_t super;
    nnom_tensor_t *weights;
    nnom_tensor_t *recurrent_weights;
    nnom_tensor_t *bias;
    nnom_qformat_param_t q_dec_z, q_dec_h, q_dec_c;
    uint16_t units;
} nnom_lstm_cell_config_t;

typedef struct _nnom_lstm_cell_t {
    nnom_rnn_cell_t super;
    nnom_tensor_t *weights;
    nnom_tensor_t *recurrent_weights;
    nnom_tensor_t *bias;
    nnom_qformat_param_t q_dec_z, q_dec_h, q_dec_c;
    nnom_qformat_param_t oshift_iw, oshift_hw, oshift_zc, bias_shift;
} nnom_lstm_cell_t;

nnom_rnn_cell_t *lstm_cell_s(const nnom_lstm_cell_config_t *config);
nnom_status_t lstm_cell_q7_q15_build(nnom_rnn_cell_t *cell);
nnom_status_t lstm_cell_q7_q15_run(nnom_rnn_cell_t *cell);
nnom_status_t lstm_cell_free(nnom_rnn_cell_t *cell);

#ifdef __cplusplus
}
#endif

#endif
