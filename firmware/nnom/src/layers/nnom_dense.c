/* SPDX-License-Identifier: Apache-2.0
 * Dense layer. */
#include "nnom_layer.h"

static nnom_layer_t *new_dense(void)
{
    return nnom_layer_new(sizeof(nnom_dense_layer_t), NNOM_DENSE, NNOM_TENSOR_BUF_TEMP, true,
                          dense_run, dense_build);
}

static nnom_status_t run(nnom_layer_t *layer, nnom_dense_s8_t *product)
{
    const nnom_dense_layer_t *cl = (const nnom_dense_layer_t *)layer;
    const nnom_dense_t p = {
        .scale = {cl->bias == NULL ? NULL : (const q7_t *)cl->bias->p_data, cl->bias_lshift,
                  cl->output_rshift, cl->per_axis, layer->fuses_relu},
        .weights = (const q7_t *)cl->weight->p_data,
        .columns = (uint16_t)tensor_size(layer->in->tensor),
        .rows = (uint16_t)cl->output_unit,
        .scratch = nnom_scratch(layer),
    };
    product(&p, (const q7_t *)layer->in->tensor->p_data, (q7_t *)layer->out->tensor->p_data);
    return NN_SUCCESS;
}

static nnom_status_t run_per_axis(nnom_layer_t *layer)
{
    return run(layer, nnom_dense_s8);
}

nnom_layer_t *dense_s(const nnom_dense_config_t *config)
{
    nnom_layer_t *layer = config == NULL ? NULL : new_dense();
    if (layer == NULL) {
        return NULL;
    }
    nnom_dense_layer_t *cl = (nnom_dense_layer_t *)layer;
    layer->config = (nnom_layer_config_t *)(uintptr_t)config;
    cl->output_unit = config->weight != NULL && config->weight->dim != NULL
                          ? tensor_get_num_channel(config->weight)
                          : 0;
    cl->weight = config->weight;
    cl->bias = config->bias;
    cl->output_rshift = config->output_shift;
    cl->bias_lshift = config->bias_shift;
    cl->per_axis = config->per_axis;
    if (cl->per_axis) { /* not referred to elsewhere, so that nobody else links it */
        layer->run = run_per_axis;
    }
    return layer;
}

nnom_layer_t *Dense(size_t output_unit, const nnom_weight_t *w, const nnom_bias_t *b)
{
    nnom_layer_t *layer = new_dense();
    if (layer == NULL || w == NULL || b == NULL) {
        nnom_free(layer);
        return NULL;
    }
    const nnom_shape_data_t dim[1] = {(nnom_shape_data_t)output_unit};
    nnom_dense_layer_t *cl = (nnom_dense_layer_t *)layer;
    layer->free = dense_free;
    cl->output_unit = output_unit;
    cl->weight = nnom_tensor_over(w->p_value, dim, 1);
    cl->bias = nnom_tensor_over(b->p_value, dim, 1);
    cl->output_rshift = (nnom_qformat_param_t *)(uintptr_t)&w->shift;
    cl->bias_lshift = (nnom_qformat_param_t *)(uintptr_t)&b->shift;
    if (cl->weight == NULL || cl->bias == NULL) {
        dense_free(layer);
        nnom_free(layer);
        return NULL;
    }
    return layer;
}

nnom_status_t dense_free(nnom_layer_t *layer)
{
    nnom_dense_layer_t *cl = (nnom_dense_layer_t *)layer;
    if (layer->config == NULL) { /* made by the layer API, which owns its tensors */
        delete_tensor(cl->weight);
        delete_tensor(cl->bias);
    }
    return NN_SUCCESS;
}

nnom_status_t dense_build(nnom_layer_t *layer)
{
    nnom_dense_layer_t *cl = (nnom_dense_layer_t *)layer;
    nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const nnom_tensor_t *in = layer->in->tensor;
    const size_t inputs = tensor_size(layer->in->tensor);
    if (cl->weight == NULL || cl->weight->p_data == NULL || cl->output_unit == 0 ||
        cl->output_unit > UINT16_MAX || inputs > UINT16_MAX || in->bitwidth != 8) {
        return NN_ARGUMENT_ERROR;
    }
    /* what a configuration declares must suffice; the layer API declares no weight shapes */
    const bool has_bias = cl->bias != NULL && cl->bias->p_data != NULL;
    if (layer->config != NULL && (cl->weight->q_dec == NULL ||
                                  !nnom_tensor_holds(cl->weight, inputs * cl->output_unit) ||
                                  (has_bias && !nnom_tensor_holds(cl->bias, cl->output_unit)))) {
        return NN_SIZE_MISMATCH;
    }
    const size_t shifts = cl->per_axis ? cl->output_unit : 1;
    status = nnom_check_shifts(cl->output_rshift, shifts);
    if (status == NN_SUCCESS && has_bias) {
        status = nnom_check_shifts(cl->bias_lshift, shifts);
    }
    if (status != NN_SUCCESS) {
        return status;
    }
    layer->stat.macc = inputs * cl->output_unit;
    nnom_ask_scratch(layer, NNOM_DENSE_SCRATCH(inputs, cl->output_unit));
    nnom_layer_fuse_relu(layer);
    layer->comp->size = 2 * inputs;
    const nnom_shape_data_t dim[2] = {1, (nnom_shape_data_t)cl->output_unit};
    const uint8_t num_dim = in->num_dim == 3 ? 2 : 1;
    const int32_t weight_dec = cl->weight->q_dec != NULL ? cl->weight->q_dec[0] : 0;
    return nnom_layer_new_output(layer, num_dim == 2 ? dim : dim + 1, num_dim,
                                 nnom_sum_decs(in->q_dec[0], weight_dec, cl->output_rshift[0]));
}

nnom_status_t dense_run(nnom_layer_t *layer)
{
#if DENSE_WEIGHT_OPT
    return run(layer, nnom_dense_x4_s8);
#else
    return run(layer, nnom_dense_s8);
#endif
}
