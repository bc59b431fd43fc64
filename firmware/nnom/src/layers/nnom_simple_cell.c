/* SPDX-License-Identifier: Apache-2.0
 * Simple recurrent cell: h = f(x W + b + h R). */
#include "nnom_layer.h"

nnom_rnn_cell_t *simple_cell_s(const nnom_simple_cell_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    nnom_rnn_cell_t *cell =
        nnom_rnn_cell_new(sizeof(nnom_simple_cell_t), NNOM_SIMPLE_CELL, config->units, config);
    if (cell != NULL) {
        nnom_simple_cell_t *c = (nnom_simple_cell_t *)cell;
        cell->run = simple_cell_run;
        cell->build = simple_cell_build;
        cell->free = simple_cell_free;
        c->act_type = config->act_type;
        c->weights = config->weights;
        c->recurrent_weights = config->recurrent_weights;
        c->bias = config->bias;
        c->q_dec_iw = config->q_dec_iw;
        c->q_dec_hw = config->q_dec_hw;
        c->q_dec_h = config->q_dec_h;
    }
    return cell;
}

nnom_status_t simple_cell_free(nnom_rnn_cell_t *cell)
{
    (void)cell;
    return NN_SUCCESS;
}

static int32_t coarser(const nnom_simple_cell_t *c)
{
    return c->q_dec_hw < c->q_dec_iw ? c->q_dec_hw : c->q_dec_iw;
}

nnom_status_t simple_cell_build(nnom_rnn_cell_t *cell)
{
    nnom_simple_cell_t *c = (nnom_simple_cell_t *)cell;
    const size_t features = cell->feature_size, units = cell->units;
    if ((c->act_type != ACT_SIGMOID && c->act_type != ACT_TANH) || !nnom_rnn_dec_fits(coarser(c)) ||
        nnom_rnn_values(c->weights, features * units) == NULL ||
        nnom_rnn_values(c->recurrent_weights, units * units) == NULL) {
        return NN_ARGUMENT_ERROR;
    }
    const int32_t in_dec = cell->layer->in->tensor->q_dec[0];
    const int32_t q = coarser(c);
    c->oshift_hw = nnom_sum_decs(c->q_dec_h, c->recurrent_weights->q_dec[0], q);
    c->oshift_iw = nnom_sum_decs(in_dec, c->weights->q_dec[0], q);
    c->bias_shift = 0;
    if (nnom_rnn_values(c->bias, units) != NULL) {
        c->bias_shift = nnom_sum_decs(in_dec, c->weights->q_dec[0], c->bias->q_dec[0]);
    }
    const nnom_qformat_param_t shifts[3] = {c->oshift_hw, c->oshift_iw, c->bias_shift};
    cell->comp_buf_size = 0;
    cell->state_size = units;
    cell->macc = features * units + units * units;
    return nnom_check_shifts(shifts, 3);
}

nnom_status_t simple_cell_run(nnom_rnn_cell_t *cell)
{
    const nnom_simple_cell_t *c = (const nnom_simple_cell_t *)cell;
    const uint16_t units = cell->units;
    q7_t *h = (q7_t *)cell->out_state, *y = (q7_t *)cell->out_data;
    const int16_t int_width = (int16_t)(7 - coarser(c));
    const nnom_dense_t state = {
        .scale = {NULL, NULL, &c->oshift_hw, false, false},
        .weights = (const q7_t *)c->recurrent_weights->p_data,
        .columns = units,
        .rows = units,
    };
    const nnom_dense_t input = {
        .scale = {nnom_rnn_values(c->bias, units), &c->bias_shift, &c->oshift_iw, false,
                  false},
        .weights = (const q7_t *)c->weights->p_data,
        .columns = cell->feature_size,
        .rows = units,
    };
    nnom_dense_x4_s8(&state, (const q7_t *)cell->in_state, h);
    nnom_dense_x4_s8(&input, (const q7_t *)cell->in_data, y);
    nnom_add_s8(y, h, h, 0, units);
    if (c->act_type == ACT_SIGMOID) {
        nnom_sigmoid_s8(h, units, int_width);
    } else {
        nnom_tanh_s8(h, units, int_width);
    }
    nnom_memcpy(y, h, units);
    return NN_SUCCESS;
}
