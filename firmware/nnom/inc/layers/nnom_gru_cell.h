/* SPDX-License-Identifier: Apache-2.0
 * Gated recurrent unit: int8 data, int16 state. Gates in the order z, r, h. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_GRU_CELL_H
#define NNOM_GRU_CELL_H

#include "layers/nnom_rnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A bias of 6 units (input biases, then recurrent ones) is Keras' reset_after=True, one of 3 units
 * its reset_after=False. */
typedef struct _nnom_gru_cell_config_t {
    nnom_layer_config_t super;
    nnom_tensor_t *weights;
    nnom_tensor_t *recurrent_weights;
    nnom_tensor_t *bias;
    nnom_qformat_param_t q_dec_z, q_dec_h;
    uint16_t units;
} nnom_gru_cell_config_t;

typedef struct _nnom_gru_cell_t {
    nnom_rnn_cell_t super;
    nnom_tensor_t *weights;
    nnom_tensor_t *recurrent_weights;
    nnom_tensor_t *bias;
    nnom_qformat_param_t q_dec_z, q_dec_h;
    nnom_qformat_param_t oshift_iw, oshift_hw, bias_shift;
} nnom_gru_cell_t;

nnom_rnn_cell_t *gru_cell_s(const nnom_gru_cell_config_t *config);
nnom_status_t gru_cell_build(nnom_rnn_cell_t *cell);
nnom_status_t gru_cell_run(nnom_rnn_cell_t *cell);
nnom_status_t gru_cell_free(nnom_rnn_cell_t *cell);

#ifdef __cplusplus
}
#endif

#endif
