/* SPDX-License-Identifier: Apache-2.0
 * Numeric checks of NNOM_COMPAT.md, appendix D, and answers to wrong models. */
#include "nnom.h"

#include "../../firmware/nnom/src/kernels/kernels.h"

#define CHECK(condition)                                             \
    if (!(condition)) {                                              \
        fprintf(stderr, "line %d: %s\n", __LINE__, #condition);      \
        failures++;                                                  \
    }

static int failures;

static void expect(int line, const int8_t *got, const int *want, int n)
{
    for (int i = 0; i < n; i++) {
        if (got[i] != want[i]) {
            fprintf(stderr, "line %d: [%d] is %d, expected %d\n", line, i, got[i], want[i]);
            failures++;
        }
    }
}

#define EXPECT(got, ...)                                                             \
    do {                                                                             \
        const int want[] = {__VA_ARGS__};                                            \
        expect(__LINE__, got, want, (int)(sizeof(want) / sizeof(want[0])));          \
    } while (0)

static void ramp(int8_t *x)
{
    for (int i = 0; i < 16; i++) {
        x[i] = (int8_t)(-128 + 16 * i);
    }
}

static void activations(void)
{
    int8_t x[16];
    ramp(x), local_sigmoid_q7(x, 16, 0);
    EXPECT(x, 34, 38, 41, 45, 48, 52, 56, 60, 64, 68, 72, 76, 80, 83, 87, 90);
    ramp(x), local_sigmoid_q7(x, 16, 3);
    EXPECT(x, 0, 0, 0, 1, 2, 6, 15, 34, 64, 94, 113, 122, 126, 127, 127, 127);
    ramp(x), local_tanh_q7(x, 16, 0);
    EXPECT(x, -97, -90, -81, -71, -59, -46, -31, -16, 0, 16, 31, 46, 59, 71, 81, 90);
    ramp(x), local_tanh_q7(x, 16, 3);
    EXPECT(x, -128, -128, -128, -128, -128, -127, -123, -97, 0, 97, 123, 127, 127, 127, 127, 127);
    ramp(x), local_hard_sigmoid_q7(x, 16, 5);
    EXPECT(x, 0, 0, 0, 0, 12, 25, 38, 51, 64, 77, 90, 103, 116, 127, 127, 127);
    ramp(x), local_hard_sigmoid_q7(x, 16, 7);
    EXPECT(x, 38, 41, 44, 47, 51, 54, 57, 60, 64, 67, 70, 73, 77, 80, 83, 86);
    ramp(x), local_leaky_relu_q7(x, 25, 16);
    EXPECT(x, -25, -21, -18, -15, -12, -9, -6, -3, 0, 16);
    ramp(x), local_sigmoid_q7(x, 16, 4);
#if NNOM_COMPAT_043
    EXPECT(x, 0, 0, 0, 0, 0, 0, 0, 0, 0, 127, 127, 127, 127, 127, 127, 127);
#else
    EXPECT(x, 0, 0, 0, 0, 0, 0, 2, 15, 64, 113, 126, 127, 127, 127, 127, 127);
#endif
    const int8_t in[10] = {10, 12, 3, 4, 5, 12, 11, 9, -5, 0};
    int8_t out[10];
    local_softmax_q7(in, 10, out);
    EXPECT(out, 11, 44, 0, 0, 0, 44, 22, 5, 0, 0);
}

static void dense(void)
{
    static const int8_t zero[80], bias[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    int8_t out[11];
    local_fully_connected_q7(zero, zero, 8, 10, 0, 0, bias, out, NULL);
    EXPECT(out, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    local_fully_connected_q7_opt(zero, zero, 8, 10, 0, 0, bias, out, NULL);
#if NNOM_COMPAT_043
    EXPECT(out, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2); /* [KEEP] Q-11 */
#else
    EXPECT(out, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
#endif
    local_fully_connected_q7_opt(zero, zero, 8, 3, 0, 0, bias, out, NULL);
    EXPECT(out, 1, 2, 3);
    const int8_t one = 1;
    for (int i = 0; i < 11; i++) {
        const int8_t v = (int8_t)(i - 5);
        local_fully_connected_q7(&v, &one, 1, 1, 0, 1, NULL, out + i, NULL);
    }
    EXPECT(out, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3);
}

static void predictions(void)
{
    static int8_t in[3] = {62, 62, 3}, out[3];
    uint32_t label;
    float prob;
    nnom_model_t m;
    new_model(&m);
    CHECK(m.add(&m, NULL) == NN_NO_MEMORY);
    m.add(&m, Input(shape(1, 1, 3), in));
    m.add(&m, Output(shape(1, 1, 3), out));
    CHECK(model_run(&m) == NN_ARGUMENT_ERROR); /* not compiled */
    CHECK(sequencial_compile(&m) == NN_SUCCESS);
    nnom_predict_t *pre = prediction_create(&m, out, 3, 3);
    CHECK(prediction_run(pre, 1, &label, &prob) == NN_SUCCESS);
    CHECK(label == 0 && prob > 0.488188f && prob < 0.488190f);
    CHECK(pre->top_k[0] == 0 && pre->top_k[1] == 1);
    CHECK(prediction_run(pre, 3, &label, &prob) == NN_ARGUMENT_ERROR);
    prediction_delete(pre);
    model_delete(&m);
    CHECK(prediction_create(NULL, out, 3, 3) == NULL);
    CHECK(prediction_run(NULL, 0, NULL, NULL) == NN_ARGUMENT_ERROR);
    prediction_end(NULL), prediction_delete(NULL), prediction_summary(NULL);
    model_stat(NULL), model_io_format(NULL), model_delete(NULL);
}

/* Input, one layer, Output: the status of compiling it. */
static nnom_status_t compile(nnom_layer_t *layer)
{
    static int8_t in[64], out[256];
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(4, 4, 4), in);
    nnom_layer_t *output = m.hook(Output(shape(1, 1, 256), out), m.hook(layer, input));
    const nnom_status_t status = model_compile(&m, input, output);
    CHECK(status == NN_SUCCESS || model_run(&m) == NN_ARGUMENT_ERROR);
    model_delete(&m);
    return status;
}

static void wrong_models(void)
{
    static const int8_t data[4 * 9 * 4];
    const nnom_weight_t w = {data, 7}, no_weights = {NULL, 7}, negative = {data, -1};
    const nnom_bias_t b = {data, 0}, negative_bias = {data, -3};
    const nnom_3d_shape_t k3 = kernel(3, 3), k5 = kernel(5, 5), one = stride(1, 1);
    const nnom_3d_shape_t zero = stride(0, 1);

    CHECK(compile(Conv2D(4, k3, one, one, PADDING_SAME, &w, &b)) == NN_SUCCESS);
    CHECK(compile(Conv2D(4, k3, one, one, PADDING_SAME, &no_weights, &b)) == NN_ARGUMENT_ERROR);
    CHECK(compile(Conv2D(4, k3, one, one, PADDING_SAME, &negative, &b)) == NN_ARGUMENT_ERROR);
    CHECK(compile(Conv2D(4, k3, one, one, PADDING_SAME, &w, &negative_bias)) == NN_ARGUMENT_ERROR);
    CHECK(compile(Conv2D(4, k5, one, one, PADDING_VALID, &w, &b)) == NN_ARGUMENT_ERROR);
    CHECK(compile(Conv2D(4, k3, zero, one, PADDING_SAME, &w, &b)) == NN_ARGUMENT_ERROR);
    CHECK(compile(Dense(2, &no_weights, &b)) == NN_ARGUMENT_ERROR);
    CHECK(compile(Dense(2, &negative, &b)) == NN_ARGUMENT_ERROR);
    CHECK(compile(MaxPool(k5, one, PADDING_VALID)) == NN_ARGUMENT_ERROR);
    CHECK(compile(MaxPool(kernel(2, 2), zero, PADDING_VALID)) == NN_ARGUMENT_ERROR);
    CHECK(compile(AvgPool(kernel(2, 2), kernel(2, 2), PADDING_VALID)) == NN_SUCCESS);
    CHECK(compile(Cropping(border(2, 2, 0, 0))) == NN_ARGUMENT_ERROR);
    CHECK(compile(Add(31)) == NN_ARGUMENT_ERROR);
    CHECK(compile(Concat(7)) == NN_ARGUMENT_ERROR);
    CHECK(compile(UpSample(kernel(0, 2))) == NN_ARGUMENT_ERROR);
    CHECK(model_compile(NULL, NULL, NULL) == NN_ARGUMENT_ERROR);
    CHECK(check_model_version(402) == 1);
    CHECK(new_tensor((nnom_qtype_t)7, 1, 1) == NULL);
}

/* add(relu(x), x): the relu layer may not write into what the other branch still reads. */
static void in_place_layer_beside_a_branch(void)
{
    static int8_t in[4] = {-3, 5, -7, 9}, out[4];
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *relu = m.hook(ReLU(), input);
    nnom_layer_t *sum = m.merge(Add(0), relu, input);
    nnom_layer_t *output = m.hook(Output(shape(1, 1, 4), out), sum);
    CHECK(model_compile(&m, input, output) == NN_SUCCESS);
    CHECK(model_run(&m) == NN_SUCCESS);
    EXPECT(out, -3, 10, -7, 18);
    model_delete(&m);
}

/* Kernels under NNoM's names have zeros around the image; ours take another value. */
static void padding_and_softmax(void)
{
    static const q7_t image[4] = {1, 2, 3, 4}, ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const nnom_qformat_param_t shift[1] = {0};
    static const q15_t equal[2] = {0, 0};
    q7_t out[4];
    q15_t halves[2];
    local_convolve_HWC_q7_nonsquare(image, 2, 2, 1, ones, 1, 3, 3, 1, 1, 1, 1, 1, 1, NULL, shift,
                                    shift, NNOM_QTYPE_PER_TENSOR, out, 2, 2, NULL, NULL);
    EXPECT(out, 10, 10, 10, 10);
    const nnom_conv_t ours = {.window = {2, 2, 1, 2, 2, 3, 3, 1, 1, 1, 1, 1, 1},
                              .scale = {NULL, NULL, shift, false},
                              .weights = ones,
                              .filters = 1,
                              .pad_value = -1};
    nnom_conv_s8(&ours, image, out);
    EXPECT(out, 5, 5, 5, 5);
    local_depthwise_separable_conv_HWC_q7_nonsquare(image, 2, 2, 1, ones, 1, 3, 3, 1, 1, 1, 1, 1, 1,
                                                    NULL, shift, shift, NNOM_QTYPE_PER_TENSOR, out,
                                                    2, 2, NULL, NULL);
    EXPECT(out, 10, 10, 10, 10);
    nnom_depthwise_s8(&ours, image, out);
    EXPECT(out, 5, 5, 5, 5);
    local_softmax_q15(equal, 2, halves);
    CHECK(halves[0] == 16384 && halves[1] == 16384);
}

int main(void)
{
    activations();
    padding_and_softmax();
    dense();
    predictions();
    wrong_models();
    in_place_layer_beside_a_branch();
    return failures != 0;
}
