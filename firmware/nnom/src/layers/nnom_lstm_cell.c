/* SPDX-License-Identifier: Apache-2.0
 * LSTM cell: c' = i g + f c, h' = o tanh(c'); docs/numerics.md has the formats. */
#include "nnom_layer.h"

nnom_rnn_cell_t *lstm_cell_s(const nnom_lstm_cell_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    nnom_rnn_cell_t *cell =
        nnom_rnn_cell_new(sizeof(nnom_lstm_cell_t), NNOM_LSTM_CELL, config->units, config);
    if (cell != NULL) {
        nnom_lstm_cell_t *c = (nnom_lstm_cell_t *)cell;
        cell->run = lstm_cell_q7_q15_run;
        cell->build = lstm_cell_q7_q15_build;
        cell->free = lstm_cell_free;
        c->weights = config->weights;
        c->recurrent_weights = config->recurrent_weights;
        c->bias = config->bias;
        c->q_dec_z = config->q_dec_z;
        c->q_dec_h = config->q_dec_h;
        c->q_dec_c = config->q_dec_c;
    }
    return cell;
}

nnom_status_t lstm_cell_free(nnom_rnn_cell_t *cell)
{
    (void)cell;
    return NN_SUCCESS;
}

nnom_status_t lstm_cell_q7_q15_build(nnom_rnn_cell_t *cell)
{
    nnom_lstm_cell_t *c = (nnom_lstm_cell_t *)cell;
    const size_t features = cell->feature_size, units = cell->units;
    if (4 * units > UINT16_MAX || !nnom_rnn_dec_fits(c->q_dec_z) ||
        nnom_rnn_values(c->weights, 4 * features * units) == NULL ||
        nnom_rnn_values(c->recurrent_weights, 4 * units * units) == NULL) {
        return NN_ARGUMENT_ERROR;
    }
    const int32_t in_dec = cell->layer->in->tensor->q_dec[0];
    c->oshift_iw = nnom_sum_decs(in_dec, c->weights->q_dec[0], c->q_dec_z);
    c->oshift_hw = nnom_sum_decs(c->q_dec_h, c->recurrent_weights->q_dec[0], c->q_dec_z);
    /* a product has 30 bits, the cell state q_dec_c + 8 */
    c->oshift_zc = nnom_sum_decs(22, 0, c->q_dec_c);
    c->bias_shift = 0;
    if (nnom_rnn_values(c->bias, 4 * units) != NULL) {
        c->bias_shift = nnom_sum_decs(in_dec, c->weights->q_dec[0], c->bias->q_dec[0]);
    }
    const nnom_qformat_param_t shifts[4] = {c->oshift_iw, c->oshift_hw, c->oshift_zc,
                                            c->bias_shift};
    cell->comp_buf_size = 2 * 12 * units + 2 * features;
    cell->state_size = 2 * 2 * units;
    cell->macc = 4 * features * units + 4 * units * units + 10 * units;
    return nnom_check_shifts(shifts, 4);
}

nnom_status_t lstm_cell_q7_q15_run(nnom_rnn_cell_t *cell)
{
    const nnom_lstm_cell_t *c = (const nnom_lstm_cell_t *)cell;
    const uint32_t units = cell->units;
    const uint32_t rows = 4 * units;
    const q15_t *h_in = (const q15_t *)cell->in_state, *c_in = h_in + units;
    q15_t *h_out = (q15_t *)cell->out_state, *c_out = h_out + units;
    q15_t *z = (q15_t *)cell->layer->comp->mem->blk, *z_h = z + rows, *x = z_h + rows;
    q7_t *y = (q7_t *)cell->out_data;
    const uint16_t z_width = (uint16_t)(7 - c->q_dec_z), c_width = (uint16_t)(7 - c->q_dec_c);

    nnom_widen((const q7_t *)cell->in_data, x, cell->feature_size);
    nnom_rnn_product(c->weights, cell->feature_size, rows, c->oshift_iw,
                     nnom_rnn_values(c->bias, 4 * units), c->bias_shift + 8, x, z);
    nnom_rnn_product(c->recurrent_weights, units, rows, c->oshift_hw, NULL, 0, h_in, z_h);
    nnom_add_s16(z, z_h, z, 0, rows);
    q15_t *i = z, *f = i + units, *g = f + units, *o = g + units;
    nnom_sigmoid_s16(i, 2 * units, z_width); /* i and f */
    nnom_tanh_s16(g, units, z_width);
    nnom_sigmoid_s16(o, units, z_width);

    nnom_state_s16(i, g, f, c_in, c->oshift_zc, c_out, units);
    nnom_memcpy(h_out, c_out, units * sizeof(q15_t));
    nnom_tanh_s16(h_out, units, c_width);
    nnom_gate_s16(o, h_out, h_out, units);
    nnom_narrow(h_out, 8, y, units);
    return NN_SUCCESS;
}
