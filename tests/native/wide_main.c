/* SPDX-License-Identifier: Apache-2.0
 * 16-bit data inside a network: a layer on widened data gives 256 times what it gives on int8 data,
 * where no rounding comes between. */
#include "layers/nnom_baselayer.h"
#include "nnom.h"

#define H 4
#define W 4
#define C 4

static int failures;
static int8_t input[H * W * C];

/* the same values in twice the width */
static nnom_status_t widen_build(nnom_layer_t *layer)
{
    const nnom_status_t status = default_build(layer);
    if (status == NN_SUCCESS) {
        layer->out->tensor->bitwidth = 16;
        layer->out->tensor->q_dec[0] += 8;
    }
    return status;
}

static nnom_status_t widen_run(nnom_layer_t *layer)
{
    local_q7_to_q15((const q7_t *)layer->in->tensor->p_data, (q15_t *)layer->out->tensor->p_data,
                    (uint32_t)tensor_size(layer->out->tensor));
    return NN_SUCCESS;
}

static const int8_t weights[16 * 9 * 8] = {1, -1, 2, 0, 1, 1, -2, 3, 1, 0, -1, 1, 2, 1, 0, 1};
static const nnom_weight_t w = {weights, 0};
static const nnom_bias_t no_bias = {NULL, 0};

static nnom_layer_t *make(int kind)
{
    static nnom_shape_data_t flat_dim[2] = {2, H * W * C / 2};
    static const nnom_reshape_config_t flat = {.dim = flat_dim, .num_dim = 2};
    const nnom_3d_shape_t k = kernel(2, 2), one = kernel(1, 1);
    switch (kind) {
    case 0:
        return Conv2D(3, k, one, one, PADDING_SAME, &w, &no_bias);
    case 1:
        return DW_Conv2D(2, k, one, one, PADDING_VALID, &w, &no_bias);
    case 2:
        return Conv2DTrans(2, k, k, one, PADDING_SAME, &w, &no_bias);
    case 3:
        return MaxPool(k, k, PADDING_VALID);
    case 4:
        return AvgPool(k, k, PADDING_VALID);
    case 5:
        return GlobalMaxPool();
    case 6:
        return ZeroPadding(border(1, 0, 2, 1));
    case 7:
        return Cropping(border(1, 0, 0, 2));
    case 8:
        return UpSample(kernel(2, 3));
    case 9:
        return ReLU();
    case 10:
        return LeakyReLU(0.5f);
    case 11:
        return AdvReLU(0.5f, INFINITY, 0.0f);
    case 12:
        return Flatten();
    case 13:
        return reshape_s(&flat);
    case 14:
        return BaseLayer();
    case 15:
        return Concat(-1);
    case 16:
        return Add(0);
    case 17:
        return Sub(0);
    default:
        return Lambda(NULL, NULL, NULL, NULL);
    }
}

static size_t run(nnom_layer_t *layer, bool wide, void *out)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *in = Input(shape(H, W, C), input);
    nnom_layer_t *x = wide ? m.hook(Lambda(widen_run, widen_build, NULL, NULL), in) : in;
    nnom_layer_set_dec(in, 3);
    const bool joins = layer->type == NNOM_CONCAT || layer->type == NNOM_ADD;
    x = joins ? m.mergex(layer, 2, x, x) : m.hook(layer, x);
    nnom_layer_t *end = m.hook(Output(shape(1024, 1, 1), out), x);
    if (model_compile(&m, in, end) != NN_SUCCESS || model_run(&m) != NN_SUCCESS) {
        fprintf(stderr, "%s does not run\n", default_layer_names[layer->type]);
        failures++;
    }
    const size_t size = m.is_inited ? tensor_size(end->out->tensor) : 0;
    model_delete(&m);
    return size;
}

static void compare(int kind)
{
    static int8_t narrow[1024];
    static int16_t wide[1024];
    const size_t n = run(make(kind), false, narrow);
    run(make(kind), true, wide);
    for (size_t i = 0; i < n; i++) {
        if (wide[i] != 256 * narrow[i]) {
            fprintf(stderr, "layer %d [%d]: %d, expected 256 * %d\n", kind, (int)i, wide[i], narrow[i]);
            failures++;
            return;
        }
    }
}

/* Layers with a format of their own: near, not equal, since they see more digits. */
static void compare_within(int most, nnom_layer_t *on_narrow, nnom_layer_t *on_wide)
{
    static int8_t narrow[1024];
    static int16_t wide[1024];
    bool is_flat = true;
    const size_t n = run(on_narrow, false, narrow);
    run(on_wide, true, wide);
    for (size_t i = 0; i < n; i++) {
        const int distance = wide[i] / 256 - narrow[i];
        if (distance < -most || distance > most) {
            fprintf(stderr, "[%d]: %d against %d\n", (int)i, wide[i], narrow[i]);
            failures++;
            return;
        }
        is_flat = is_flat && narrow[i] == narrow[0];
    }
    failures += is_flat;
}

static void compare_near(nnom_layer_t *on_narrow, nnom_layer_t *on_wide)
{
    compare_within(10, on_narrow, on_wide);
}

static void expect_refusal(nnom_layer_t *layer)
{
    static int16_t out[1024];
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *in = Input(shape(H, W, C), input);
    nnom_layer_t *x = m.hook(layer, m.hook(Lambda(widen_run, widen_build, NULL, NULL), in));
    nnom_layer_t *end = m.hook(Output(shape(1, 1, 1), out), x);
    if (model_compile(&m, in, end) != NN_ARGUMENT_ERROR) {
        failures++;
    }
    model_delete(&m);
}

/* Fully connected kernels on 16-bit data: interleaved and plain agree. */
static void dot_products(void)
{
    static const int16_t v[5] = {100, -200, 300, 32767, -32768};
    static const int16_t plain[25] = {1, 2, 3, 4, 5, -1, -2, -3, -4, -5, 7, 0, 7, 0, 7, 9, 9, 9, 9, 9,
                                      -7, 1, -7, 1, -7};
    static const int16_t mixed[25] = {1, 2, -1, -2, 7, 0, 9, 9, 3, 4, -3, -4, 7, 0, 9, 9, 5, -5, 7, 9,
                                      -7, 1, -7, 1, -7};
    int16_t a[5], b[5];
    int8_t back[5];
    local_dot_q15(v, plain, 5, 5, 4, a);
    local_dot_q15_opt(v, mixed, 5, 5, 4, b);
    failures += memcmp(a, b, sizeof(a)) != 0;
    local_q7_to_q15_no_shift((const q7_t *)input, a, 5);
    local_q15_to_q7(a, back, 0, 5);
    failures += memcmp(back, input, 5) != 0;
    local_1_minor_z_q15(a, a, 15, 5);
    failures += a[0] != 32767 - input[0];
}

int main(void)
{
    dot_products();
    static int16_t wide[1024];
    static int8_t narrow[1024];
    for (int i = 0; i < H * W * C; i++) {
        input[i] = (int8_t)(4 * (i % 7 - 3));
    }
    for (int kind = 0; kind < 19; kind++) {
        compare(kind);
    }
    /* decs that both widths can have; NNoM's own formulas differ between the widths */
#if !NNOM_COMPAT_043
    compare_within(1, Softmax(), Softmax());
    compare_near(Sigmoid(4), Sigmoid(12));
    compare_near(TanH(5), TanH(13));
    compare_near(Activation(act_hard_sigmoid(4)), Activation(act_hard_sigmoid(12)));
    compare_near(Activation(act_hard_tanh(5)), Activation(act_hard_tanh(13)));
#else
    run(Softmax(), true, wide), run(Softmax(), false, narrow);
    run(Sigmoid(12), true, wide), run(TanH(13), true, wide);
    run(Activation(act_hard_sigmoid(4)), true, wide), run(Activation(act_hard_tanh(5)), true, wide);
#endif
    run(SumPool(kernel(2, 2), kernel(2, 2), PADDING_VALID), true, wide);
    run(Mult(9), true, wide);
    expect_refusal(Dense(4, &w, &no_bias));
    return failures != 0;
}
