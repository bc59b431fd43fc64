/* SPDX-License-Identifier: Apache-2.0
 * Activations, as layers and as tails. */
#include "nnom_layer.h"

/* ---- activation objects: they work on act->tensor, in place ------------------------------- */

static q7_t *data_of(const nnom_activation_t *act)
{
    return (q7_t *)act->tensor->p_data;
}

static q15_t *wide_data_of(const nnom_activation_t *act)
{
    return (q15_t *)act->tensor->p_data;
}

static uint32_t size_of(const nnom_activation_t *act)
{
    return (uint32_t)tensor_size(act->tensor);
}

static bool is_wide(const nnom_activation_t *act)
{
    return act->tensor->bitwidth == 16;
}

static nnom_status_t relu_run(nnom_activation_t *act)
{
    if (is_wide(act)) {
        nnom_relu_s16(wide_data_of(act), size_of(act));
    } else {
        nnom_relu_s8(data_of(act), size_of(act));
    }
    return NN_SUCCESS;
}

static nnom_status_t leaky_relu_run(nnom_activation_t *act)
{
    const q7_t alpha = ((nnom_activation_leaky_relu_t *)act)->alpha;
    if (is_wide(act)) {
        nnom_leaky_relu_s16(wide_data_of(act), alpha, size_of(act));
    } else {
        nnom_leaky_relu_s8(data_of(act), alpha, size_of(act));
    }
    return NN_SUCCESS;
}

/* value as a fixed-point number with dec fraction bits, toward zero, saturated to +-limit */
static int32_t to_fixed(float value, int32_t dec, int32_t limit)
{
    float scaled = value;
    for (; dec > 0 && dec <= 64; dec--) {
        scaled *= 2.0f;
    }
    for (; dec < 0 && dec >= -64; dec++) {
        scaled *= 0.5f;
    }
    if (!(scaled > (float)(-limit - 1))) { /* NaN too */
        return -limit - 1;
    }
    return scaled >= (float)limit ? limit : (int32_t)scaled;
}

static q7_t to_q7(float value, int32_t dec)
{
    return (q7_t)to_fixed(value, dec, 127);
}

static nnom_status_t adv_relu_run(nnom_activation_t *act)
{
    const nnom_activation_adv_relu_t *a = (const nnom_activation_adv_relu_t *)act;
    const int32_t dec = act->tensor->q_dec[0];
    const int32_t limit = is_wide(act) ? 32767 : 127;
#if NNOM_COMPAT_043
    const int32_t scale_dec = nnom_sum_decs(is_wide(act) ? 15 : 7, 0, dec);
#else
    const int32_t scale_dec = dec;
#endif
    /* NNoM's headers write "no maximum" as INFINITY or as a NaN's bit pattern read as a number */
    const bool has_max = a->max < INFINITY && a->max != 2143289344.0f;
    const int32_t max = has_max ? to_fixed(a->max, scale_dec, limit) : limit;
    const int32_t threshold = to_fixed(a->threshold, scale_dec, limit);
    if (is_wide(act)) {
        nnom_adv_relu_s16(wide_data_of(act), a->negative_slope, (q15_t)max, (q15_t)threshold,
                           size_of(act));
    } else {
        nnom_adv_relu_s8(data_of(act), a->negative_slope, (q7_t)max, (q7_t)threshold, size_of(act));
    }
    return NN_SUCCESS;
}

/* integer bits for the look-up tables */
static int16_t int_width_of(const nnom_activation_t *act)
{
    const uint8_t dec = ((const nnom_activation_fixed_q_t *)act)->dec_bit;
    const int32_t bits = is_wide(act) ? 15 : 7;
#if NNOM_COMPAT_043
    return (int16_t)(uint8_t)(bits - dec);
#else
    return (int16_t)(bits - (int8_t)dec); /* negative: the data never leaves (-1, 1) */
#endif
}

static nnom_status_t tanh_run(nnom_activation_t *act)
{
    if (is_wide(act)) {
        nnom_tanh_s16(wide_data_of(act), size_of(act), (uint16_t)int_width_of(act));
    } else {
        nnom_tanh_s8(data_of(act), size_of(act), int_width_of(act));
    }
    return NN_SUCCESS;
}

static nnom_status_t sigmoid_run(nnom_activation_t *act)
{
    if (is_wide(act)) {
        nnom_sigmoid_s16(wide_data_of(act), size_of(act), (uint16_t)int_width_of(act));
    } else {
        nnom_sigmoid_s8(data_of(act), size_of(act), int_width_of(act));
    }
    return NN_SUCCESS;
}

/* fraction bits for the hard kernels, which count those of int8 data */
static int16_t dec_of(const nnom_activation_t *act)
{
    const uint8_t dec = ((const nnom_activation_fixed_q_t *)act)->dec_bit;
#if NNOM_COMPAT_043
    return dec;
#else
    return (int16_t)((int8_t)dec - (is_wide(act) ? 8 : 0));
#endif
}

static nnom_status_t hard_tanh_run(nnom_activation_t *act)
{
    if (is_wide(act)) {
        nnom_hard_tanh_s16(wide_data_of(act), size_of(act), dec_of(act));
    } else {
        nnom_hard_tanh_s8(data_of(act), size_of(act), dec_of(act));
    }
    return NN_SUCCESS;
}

static nnom_status_t hard_sigmoid_run(nnom_activation_t *act)
{
    if (is_wide(act)) {
        nnom_hard_sigmoid_s16(wide_data_of(act), size_of(act), dec_of(act));
    } else {
        nnom_hard_sigmoid_s8(data_of(act), size_of(act), dec_of(act));
    }
    return NN_SUCCESS;
}

static nnom_activation_t *new_act(size_t size, nnom_activation_type_t type,
                                  nnom_status_t (*run)(nnom_activation_t *))
{
    nnom_activation_t *act = nnom_mem(size);
    if (act != NULL) {
        act->type = type;
        act->run = run;
    }
    return act;
}

static nnom_activation_t *new_fixed_q(nnom_activation_type_t type, int32_t dec_bit,
                                      nnom_status_t (*run)(nnom_activation_t *))
{
    nnom_activation_t *act = new_act(sizeof(nnom_activation_fixed_q_t), type, run);
    if (act != NULL) {
        ((nnom_activation_fixed_q_t *)act)->dec_bit = (uint8_t)dec_bit;
    }
    return act;
}

nnom_activation_t *act_relu(void)
{
    return new_act(sizeof(nnom_activation_t), ACT_RELU, relu_run);
}

nnom_activation_t *act_leaky_relu(float alpha)
{
    nnom_activation_t *act =
        new_act(sizeof(nnom_activation_leaky_relu_t), ACT_LEAKY_RELU, leaky_relu_run);
    if (act != NULL) {
        ((nnom_activation_leaky_relu_t *)act)->alpha = to_q7(alpha, 7);
    }
    return act;
}

nnom_activation_t *act_adv_relu(float negative_slope, float max, float threshold)
{
    nnom_activation_t *act = new_act(sizeof(nnom_activation_adv_relu_t), ACT_ADV_RELU, adv_relu_run);
    if (act != NULL) {
        nnom_activation_adv_relu_t *a = (nnom_activation_adv_relu_t *)act;
        a->negative_slope = to_q7(negative_slope, 7);
        a->max = max;
        a->threshold = threshold;
    }
    return act;
}

nnom_activation_t *act_tanh(int32_t dec_bit)
{
    return new_fixed_q(ACT_TANH, dec_bit, tanh_run);
}

nnom_activation_t *act_sigmoid(int32_t dec_bit)
{
    return new_fixed_q(ACT_SIGMOID, dec_bit, sigmoid_run);
}

nnom_activation_t *act_hard_tanh(int32_t dec_bit)
{
    return new_fixed_q(ACT_HARD_TANH, dec_bit, hard_tanh_run);
}

nnom_activation_t *act_hard_sigmoid(int32_t dec_bit)
{
    return new_fixed_q(ACT_HARD_SIGMOID, dec_bit, hard_sigmoid_run);
}

nnom_status_t act_tensor_run(nnom_activation_t *act, nnom_tensor_t *tensor)
{
    NNOM_NULL_CHECK(act);
    act->tensor = tensor;
    return act->run(act);
}

void act_delete(nnom_activation_t *act)
{
    if (act != NULL) {
        nnom_free(act);
    }
}

int32_t act_get_dec_bit(nnom_activation_type_t type, int32_t dec_bit)
{
    switch (type) {
    case ACT_TANH:
    case ACT_HARD_TANH:
    case ACT_SIGMOID:
    case ACT_HARD_SIGMOID:
        return 7;
    default:
        return dec_bit;
    }
}

/* ---- activation layers --------------------------------------------------------------------- */

static nnom_status_t activation_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const nnom_tensor_t *in = layer->in->tensor;
    int32_t dec = in->q_dec[0];
#if !NNOM_COMPAT_043
    dec = nnom_dec_after(((const nnom_activation_layer_t *)layer)->act->type, dec,
                         nnom_layer_is_wide(layer));
#endif
    return nnom_layer_new_output(layer, in->dim, in->num_dim, dec);
}

static nnom_layer_t *new_activation(nnom_layer_type_t type, nnom_activation_t *act)
{
    if (act == NULL) {
        return NULL;
    }
    nnom_layer_t *layer =
        nnom_layer_new(sizeof(nnom_activation_layer_t), type, NNOM_TENSOR_BUF_NULL, false,
                       activation_run, activation_build);
    if (layer == NULL) {
        act_delete(act);
        return NULL;
    }
    layer->free = activation_free;
    ((nnom_activation_layer_t *)layer)->act = act;
    return layer;
}

nnom_layer_t *Activation(nnom_activation_t *act)
{
    return new_activation(NNOM_ACTIVATION, act);
}

nnom_layer_t *ReLU(void)
{
    return new_activation(NNOM_RELU, act_relu());
}

nnom_layer_t *LeakyReLU(float alpha)
{
    return new_activation(NNOM_LEAKY_RELU, act_leaky_relu(alpha));
}

nnom_layer_t *AdvReLU(float alpha, float max, float threshold)
{
    return new_activation(NNOM_ADV_RELU, act_adv_relu(alpha, max, threshold));
}

nnom_layer_t *Sigmoid(int32_t dec_bit)
{
    return new_activation(NNOM_SIGMOID, act_sigmoid(dec_bit));
}

nnom_layer_t *TanH(int32_t dec_bit)
{
    return new_activation(NNOM_TANH, act_tanh(dec_bit));
}

nnom_status_t activation_run(nnom_layer_t *layer)
{
    nnom_activation_t *act = ((nnom_activation_layer_t *)layer)->act;
    /* the scale an advanced ReLU needs is the input's */
    nnom_tensor_t view = *layer->in->tensor;
    default_run(layer);
    view.p_data = layer->out->tensor->p_data;
    const nnom_status_t status = act_tensor_run(act, &view);
    act->tensor = layer->out->tensor;
    return status;
}

nnom_status_t activation_free(nnom_layer_t *layer)
{
    act_delete(((nnom_activation_layer_t *)layer)->act);
    return NN_SUCCESS;
}
