/* SPDX-License-Identifier: Apache-2.0
 * Recurrent layer: the loop over time steps, and what cells share. */
#include "nnom_layer.h"

nnom_rnn_cell_t *nnom_rnn_cell_new(size_t struct_size, nnom_rnn_cell_type_t type, uint16_t units,
                                   const void *config)
{
    nnom_rnn_cell_t *cell = nnom_mem(struct_size);
    if (cell != NULL) {
        cell->type = type;
        cell->units = units;
        cell->config = (nnom_layer_config_t *)(uintptr_t)config;
    }
    return cell;
}

bool nnom_rnn_dec_fits(int32_t dec)
{
    return dec >= -32 && dec <= 32;
}

const q7_t *nnom_rnn_values(const nnom_tensor_t *t, size_t n)
{
    return nnom_tensor_holds(t, n) && t->q_dec != NULL ? (const q7_t *)t->p_data : NULL;
}

nnom_layer_t *rnn_s(nnom_rnn_cell_t *cell, const nnom_rnn_config_t *config)
{
    nnom_layer_t *layer = NULL;
    if (cell != NULL && config != NULL) {
        layer = nnom_layer_new(sizeof(nnom_rnn_layer_t), NNOM_RNN, NNOM_TENSOR_BUF_TEMP, true,
                               rnn_run, rnn_build);
    }
    if (layer == NULL) {
        if (cell != NULL && cell->free != NULL) {
            cell->free(cell);
        }
        nnom_free(cell);
        return NULL;
    }
    nnom_rnn_layer_t *cl = (nnom_rnn_layer_t *)layer;
    layer->free = rnn_free;
    layer->config = (nnom_layer_config_t *)(uintptr_t)config;
    cl->cell = cell;
    cl->return_sequence = config->return_sequence;
    cl->stateful = config->stateful;
    cl->go_backwards = config->go_backwards;
    cl->time_order = NNOM_COMPAT_043 ? true : config->time_order;
    cell->layer = layer;
    return layer;
}

nnom_status_t rnn_free(nnom_layer_t *layer)
{
    nnom_rnn_layer_t *cl = (nnom_rnn_layer_t *)layer;
    if (cl->cell->free != NULL) {
        cl->cell->free(cl->cell);
    }
    nnom_free(cl->cell);
    nnom_free(cl->state_buf);
    return NN_SUCCESS;
}

/* In channel-first data a time step is spread out: it is gathered into, and its result scattered
 * from, a buffer behind the states. */
static size_t staging_size(const nnom_rnn_cell_t *cell)
{
#ifdef NNOM_USING_CHW
    return (size_t)cell->feature_size + cell->units;
#else
    (void)cell;
    return 0;
#endif
}

nnom_status_t rnn_build(nnom_layer_t *layer)
{
    nnom_rnn_layer_t *cl = (nnom_rnn_layer_t *)layer;
    nnom_rnn_cell_t *cell = cl->cell;
    nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const nnom_tensor_t *in = layer->in->tensor;
    if (in->num_dim < 2 || in->bitwidth != 8 || cell->units == 0) {
        return NN_ARGUMENT_ERROR;
    }
    cl->timestamp_size = in->num_dim > 2 ? in->dim[1] : in->dim[0];
    cell->feature_size = in->dim[in->num_dim - 1];
    if (cl->timestamp_size == 0 || cell->feature_size == 0) {
        return NN_ARGUMENT_ERROR;
    }
    status = cell->build(cell);
    if (status != NN_SUCCESS) {
        return status;
    }
    cl->state_buf = nnom_mem(2 * cell->state_size + staging_size(cell));
    if (cl->state_buf == NULL) {
        return NN_NO_MEMORY;
    }
    layer->comp->size = cell->comp_buf_size;
    layer->stat.macc = cell->macc * cl->timestamp_size;
    const nnom_shape_data_t dim[2] = {cl->timestamp_size, cell->units};
    const uint8_t num_dim = cl->return_sequence ? 2 : 1;
    return nnom_layer_new_output(layer, num_dim == 2 ? dim : dim + 1, num_dim, 7);
}

/* One step: its input, and where its result goes. */
static nnom_status_t run_step(nnom_layer_t *layer, uint32_t from, uint32_t to)
{
    nnom_rnn_cell_t *cell = ((nnom_rnn_layer_t *)layer)->cell;
    q7_t *in = (q7_t *)layer->in->tensor->p_data;
    q7_t *out = (q7_t *)layer->out->tensor->p_data;
    const size_t features = cell->feature_size, units = cell->units;
#ifdef NNOM_USING_CHW
    q7_t *x = (q7_t *)((nnom_rnn_layer_t *)layer)->state_buf + 2 * cell->state_size;
    for (size_t i = 0; i < features; i++) {
        x[i] = in[nnom_tensor_stored_index(layer->in->tensor, from * features + i)];
    }
    cell->in_data = x;
    cell->out_data = x + features;
    const nnom_status_t status = cell->run(cell);
    for (size_t i = 0; i < units; i++) {
        out[nnom_tensor_stored_index(layer->out->tensor, to * units + i)] = x[features + i];
    }
    return status;
#else
    cell->in_data = in + from * features;
    cell->out_data = out + to * units;
    return cell->run(cell);
#endif
}

nnom_status_t rnn_run(nnom_layer_t *layer)
{
    nnom_rnn_layer_t *cl = (nnom_rnn_layer_t *)layer;
    nnom_rnn_cell_t *cell = cl->cell;
    uint8_t *lower = (uint8_t *)cl->state_buf, *upper = lower + cell->state_size;
    const uint32_t steps = cl->timestamp_size;
    if (!cl->stateful) {
        nnom_memset(lower, 0, 2 * cell->state_size);
    }
    for (uint32_t k = 0; k < steps; k++) {
        const bool swap = cell->in_state == lower; /* the state goes back and forth */
        const uint32_t from = cl->go_backwards ? steps - 1 - k : k;
        /* Keras: in order of processing */
        const uint32_t at = cl->time_order ? from : k;
        const uint32_t to = cl->return_sequence ? at : 0;
        cell->in_state = swap ? upper : lower;
        cell->out_state = swap ? lower : upper;
        const nnom_status_t status = run_step(layer, from, to);
        if (status != NN_SUCCESS) {
            return status;
        }
    }
    return NN_SUCCESS;
}

void nnom_rnn_product(const nnom_tensor_t *weights, uint32_t columns, uint32_t rows,
                      int32_t out_shift, const q7_t *bias, int32_t bias_shift, const q15_t *in,
                      q15_t *out)
{
    const nnom_dense_t p = {
        .scale = {bias, &bias_shift, &out_shift, false, false},
        .weights = (const q7_t *)weights->p_data,
        .columns = (uint16_t)columns,
        .rows = (uint16_t)rows,
    };
    nnom_dense_x2_s16(&p, in, out);
}
