/* SPDX-License-Identifier: Apache-2.0
 * GRU cell: h' = z h + (1 - z) hh, in both of Keras' forms; docs/numerics.md has the formats. */
#include "../kernels/requantise.h"
#include "nnom_layer.h"

nnom_rnn_cell_t *gru_cell_s(const nnom_gru_cell_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    nnom_rnn_cell_t *cell =
        nnom_rnn_cell_new(sizeof(nnom_gru_cell_t), NNOM_GRU_CELL, config->units, config);
    if (cell != NULL) {
        nnom_gru_cell_t *c = (nnom_gru_cell_t *)cell;
        cell->run = gru_cell_run;
        cell->build = gru_cell_build;
        cell->free = gru_cell_free;
        c->weights = config->weights;
        c->recurrent_weights = config->recurrent_weights;
        c->bias = config->bias;
        c->q_dec_z = config->q_dec_z;
        c->q_dec_h = config->q_dec_h;
    }
    return cell;
}

nnom_status_t gru_cell_free(nnom_rnn_cell_t *cell)
{
    (void)cell;
    return NN_SUCCESS;
}

/* left shift that brings the recurrent bias to the format of h R */
static int32_t recurrent_bias_shift(const nnom_gru_cell_t *c)
{
#if NNOM_COMPAT_043
    return c->bias_shift; /* NNoM uses the input bias' */
#else
    return nnom_sum_decs(c->q_dec_h, c->recurrent_weights->q_dec[0], c->bias->q_dec[0]);
#endif
}

nnom_status_t gru_cell_build(nnom_rnn_cell_t *cell)
{
    nnom_gru_cell_t *c = (nnom_gru_cell_t *)cell;
    const size_t features = cell->feature_size, units = cell->units;
    if (3 * units > UINT16_MAX || !nnom_rnn_dec_fits(c->q_dec_z) ||
        nnom_rnn_values(c->weights, 3 * features * units) == NULL ||
        nnom_rnn_values(c->recurrent_weights, 3 * units * units) == NULL) {
        return NN_ARGUMENT_ERROR;
    }
    const int32_t in_dec = cell->layer->in->tensor->q_dec[0];
    c->oshift_iw = nnom_sum_decs(in_dec, c->weights->q_dec[0], c->q_dec_z);
    c->oshift_hw = nnom_sum_decs(c->q_dec_h, c->recurrent_weights->q_dec[0], c->q_dec_z);
    c->bias_shift = 0;
    int32_t state_shift = 0;
    if (nnom_rnn_values(c->bias, 3 * units) != NULL) {
        c->bias_shift = nnom_sum_decs(in_dec, c->weights->q_dec[0], c->bias->q_dec[0]);
        state_shift = recurrent_bias_shift(c);
    }
    /* a negative one is a right shift, but eight bits are added first */
    if (state_shift < -8 - 30 || state_shift > 22) {
        return NN_ARGUMENT_ERROR;
    }
    const nnom_qformat_param_t shifts[3] = {c->oshift_iw, c->oshift_hw, c->bias_shift};
    cell->comp_buf_size = 2 * 9 * units + 2 * features;
    cell->state_size = 2 * units;
    cell->macc = 3 * features * units + 8 * units * units + 11 * units;
    return nnom_check_shifts(shifts, 3);
}

/* h R + b; a bias finer than the product loses its last bits */
static void recurrent(const nnom_gru_cell_t *c, const q15_t *h, const q7_t *bias, q15_t *out)
{
    const uint32_t units = c->super.units, rows = 3 * units;
    const int32_t shift = bias == NULL ? 0 : recurrent_bias_shift(c) + 8;
    if (shift >= 0) {
        nnom_rnn_product(c->recurrent_weights, units, rows, c->oshift_hw, bias, shift, h, out);
        return;
    }
    nnom_rnn_product(c->recurrent_weights, units, rows, c->oshift_hw, NULL, 0, h, out);
    for (uint32_t k = 0; k < rows; k++) {
        const int32_t total = c->oshift_hw - shift;
        const int32_t b = total > 30 ? 0 : (bias[k] + nnom_round(total)) >> total;
        out[k] = nnom_sat_s16(out[k] + b);
    }
}

nnom_status_t gru_cell_run(nnom_rnn_cell_t *cell)
{
    const nnom_gru_cell_t *c = (const nnom_gru_cell_t *)cell;
    const uint32_t units = cell->units;
    const uint32_t rows = 3 * units;
    const q15_t *h_in = (const q15_t *)cell->in_state;
    q15_t *h_out = (q15_t *)cell->out_state;
    q15_t *from_x = (q15_t *)cell->layer->comp->mem->blk, *from_h = from_x + rows;
    q15_t *x = from_h + rows, *reset_h = x + cell->feature_size;
    const uint16_t width = (uint16_t)(7 - c->q_dec_z);
    const q7_t *bias = nnom_rnn_values(c->bias, 3 * units);
    const q7_t *recurrent_bias = nnom_rnn_values(c->bias, 6 * units);
    /* a bias of 3 units is the one of reset_after=False; without any both forms are possible, and
     * NNoM's is reset_after=True */
    const bool reset_after = bias == NULL || recurrent_bias != NULL;

    nnom_widen((const q7_t *)cell->in_data, x, cell->feature_size);
    nnom_rnn_product(c->weights, cell->feature_size, rows, c->oshift_iw, bias, c->bias_shift + 8, x,
                     from_x);
    recurrent(c, h_in, recurrent_bias == NULL ? NULL : recurrent_bias + rows, from_h);

    q15_t *z = from_x, *r = z + units, *hh = r + units, *candidate_h = from_h + 2 * units;
    nnom_add_s16(z, from_h, z, 0, 2 * units);
    nnom_sigmoid_s16(z, 2 * units, width); /* z and r */
    if (reset_after) {
        nnom_gate_s16(r, candidate_h, candidate_h, units);
    } else {
        nnom_gate_s16(r, h_in, reset_h, units);
        recurrent(c, reset_h, NULL, from_h);
    }
    nnom_add_s16(hh, candidate_h, hh, 0, (uint32_t)units);
    nnom_tanh_s16(hh, units, width);
    nnom_blend_s16(z, h_in, hh, h_out, units);
    nnom_narrow(h_out, 8, (q7_t *)cell->out_data, units);
    return NN_SUCCESS;
}
