/* SPDX-License-Identifier: Apache-2.0
 * Element-wise add, sub and mult. */
#include "nnom_layer.h"

nnom_layer_t *_same_shape_matrix_layer(void)
{
    return nnom_layer_new(sizeof(nnom_matrix_layer_t), NNOM_INVALID, NNOM_TENSOR_BUF_TEMP, false,
                          NULL, matrix_build);
}

static nnom_layer_t *new_matrix(nnom_layer_type_t type, nnom_status_t (*run)(nnom_layer_t *),
                                int16_t oshift)
{
    nnom_layer_t *layer = _same_shape_matrix_layer();
    if (layer != NULL) {
        layer->type = type;
        layer->run = run;
        ((nnom_matrix_layer_t *)layer)->oshift = oshift;
    }
    return layer;
}

nnom_layer_t *Add(int16_t oshift)
{
    return new_matrix(NNOM_ADD, add_run, oshift);
}

nnom_layer_t *Sub(int16_t oshift)
{
    return new_matrix(NNOM_SUB, sub_run, oshift);
}

nnom_layer_t *Mult(int16_t oshift)
{
    return new_matrix(NNOM_MULT, mult_run, oshift);
}

nnom_layer_t *add_s(const nnom_matrix_config_t *config)
{
    return config == NULL ? NULL : nnom_layer_with_config(Add(config->output_shift), config);
}

nnom_layer_t *sub_s(const nnom_matrix_config_t *config)
{
    return config == NULL ? NULL : nnom_layer_with_config(Sub(config->output_shift), config);
}

nnom_layer_t *mult_s(const nnom_matrix_config_t *config)
{
    return config == NULL ? NULL : nnom_layer_with_config(Mult(config->output_shift), config);
}

nnom_status_t matrix_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const int16_t oshift = ((const nnom_matrix_layer_t *)layer)->oshift;
    if (oshift < 0 || oshift > 30 || nnom_io_length(layer->in) > MAX_INPUT_LAYER) {
        return NN_ARGUMENT_ERROR;
    }
    nnom_tensor_t *first = layer->in->tensor;
    int32_t dec = first->q_dec[0];
    for (const nnom_layer_io_t *in = layer->in->aux; in != NULL; in = in->aux) {
        if (tensor_size_byte(in->tensor) != tensor_size_byte(first)) {
            return NN_SIZE_MISMATCH;
        }
        dec = layer->type == NNOM_MULT ? nnom_sum_decs(dec, in->tensor->q_dec[0], 0) : dec;
    }
#if NNOM_COMPAT_043
    dec = first->q_dec[0]; /* NNoM: whatever the shift */
#else
    dec = nnom_sum_decs(dec, 0, oshift);
#endif
    return nnom_layer_new_output(layer, first->dim, first->num_dim, dec);
}

typedef void pair_t(const q7_t *, const q7_t *, q7_t *, int32_t, uint32_t);
typedef void narrow_t(q7_t *const *, uint32_t, q7_t *, int32_t, uint32_t);
typedef void wide_t(q15_t *const *, uint32_t, q15_t *, int32_t, uint32_t);

static nnom_status_t combine(nnom_layer_t *layer, pair_t *pair, narrow_t *narrow, wide_t *wide)
{
    const int16_t oshift = ((const nnom_matrix_layer_t *)layer)->oshift;
    const uint32_t size = (uint32_t)tensor_size(layer->out->tensor);
    void *out = layer->out->tensor->p_data;
    q7_t *src[MAX_INPUT_LAYER];
    q15_t *src_wide[MAX_INPUT_LAYER];
    uint32_t n = 0;
    for (const nnom_layer_io_t *in = layer->in; in != NULL && n < MAX_INPUT_LAYER; in = in->aux) {
        src[n] = (q7_t *)in->tensor->p_data;
        src_wide[n++] = (q15_t *)in->tensor->p_data;
    }
    if (nnom_layer_is_wide(layer)) {
        wide(src_wide, n, (q15_t *)out, oshift, size);
    } else if (n == 2) {
        pair(src[0], src[1], (q7_t *)out, oshift, size);
    } else {
        narrow(src, n, (q7_t *)out, oshift, size);
    }
    return NN_SUCCESS;
}

nnom_status_t add_run(nnom_layer_t *layer)
{
    return combine(layer, nnom_add_s8, nnom_add_many_s8, nnom_add_many_s16);
}

nnom_status_t sub_run(nnom_layer_t *layer)
{
    return combine(layer, nnom_sub_s8, nnom_sub_many_s8, nnom_sub_many_s16);
}

nnom_status_t mult_run(nnom_layer_t *layer)
{
    return combine(layer, nnom_mult_s8, nnom_mult_many_s8, nnom_mult_many_s16);
}
