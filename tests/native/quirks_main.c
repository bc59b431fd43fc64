/* SPDX-License-Identifier: Apache-2.0
 * Items of NNOM_COMPAT.md section 6 that show in how a model is put together. */
#include "nnom.h"

#include "../../firmware/nnom/src/core/nnom_core.h"
#include "layers/nnom_baselayer.h"

#define CHECK(condition)                                        \
    if (!(condition)) {                                         \
        fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
        failures++;                                             \
    }

static int failures;
static int8_t in[4] = {-3, 5, -7, 9}, out[4];

static nnom_status_t run(nnom_model_t *m, nnom_layer_t *input, nnom_layer_t *output)
{
    nnom_status_t status = model_compile(m, input, output);
    status = status == NN_SUCCESS ? model_run(m) : status;
    return status;
}

static bool gives(int a, int b, int c, int d)
{
    return out[0] == a && out[1] == b && out[2] == c && out[3] == d;
}

/* the output may be left out */
static void output_left_out(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    m.hook(Output(shape(1, 1, 4), out), input);
    CHECK(run(&m, input, NULL) == NN_SUCCESS && gives(-3, 5, -7, 9));
    model_delete(&m);
}

/* add(x, relu(x)), the activation attached to x's layer */
static void residual(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *x = m.hook(Lambda(NULL, NULL, NULL, NULL), input);
    nnom_layer_t *activated = m.active(act_relu(), x);
    nnom_layer_t *output = m.hook(Output(shape(1, 1, 4), out), m.merge(Add(0), x, activated));
    CHECK(run(&m, input, output) == NN_SUCCESS);
#if NNOM_COMPAT_043
    CHECK(gives(0, 10, 0, 18));
#else
    CHECK(gives(-3, 10, -7, 18));
#endif
    model_delete(&m);
}

/* The result of active() may be ignored: then the activation is meant for all. */
static void ignored_result(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *x = m.hook(Lambda(NULL, NULL, NULL, NULL), input);
    m.active(act_relu(), x);
    nnom_layer_t *output = m.hook(Output(shape(1, 1, 4), out), x);
    CHECK(run(&m, input, output) == NN_SUCCESS && gives(0, 5, 0, 9));
    CHECK(x->actail != NULL);
    model_delete(&m);
}

/* What active() returned can be run to, and shows its layer's data. */
static void view_of_a_layer(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *x = m.active(act_relu(), m.hook(Lambda(NULL, NULL, NULL, NULL), input));
    x = m.active(act_leaky_relu(0.5f), x); /* replaces the first */
    nnom_layer_t *output = m.hook(Output(shape(1, 1, 4), out), x);
    memset(out, 99, sizeof(out));
    CHECK(model_compile(&m, input, output) == NN_SUCCESS);
    CHECK(model_run_to(&m, x) == NN_SUCCESS && gives(99, 99, 99, 99));
    const int8_t *data = (const int8_t *)x->out->tensor->p_data;
    CHECK(data[0] == -1 && data[1] == 5 && data[2] == -3 && data[3] == 9);
    CHECK(model_compile(&m, input, output) == NN_ARGUMENT_ERROR); /* once is enough */
    model_delete(&m);
}

/* An activation at the very end, and one whose layer is read raw as well. */
static void activation_at_the_end(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *x = m.active(act_relu(), m.hook(Output(shape(1, 1, 4), out), input));
    CHECK(run(&m, input, x) == NN_SUCCESS && m.tail->type == NNOM_OUTPUT);
    model_delete(&m);
}

/* more parallel branches than blocks is an error, and the model can be deleted */
static void too_many_branches(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *sum = Add(0);
    for (int i = 0; i < 8; i++) {
        m.hook(sum, m.hook(Lambda(NULL, NULL, NULL, NULL), input));
    }
    nnom_layer_t *output = m.hook(Output(shape(1, 1, 4), out), sum);
    CHECK(run(&m, input, output) == NN_NO_MEMORY);
    CHECK(model_run(&m) == NN_ARGUMENT_ERROR);
    model_delete(&m);
}

/* A buffer declared smaller than what it will get; NNoM writes past its end. */
static void small_output(void)
{
    nnom_shape_data_t dim[4] = {1, 1, 1, 3};
    nnom_qformat_param_t q_dec[1] = {7};
    int8_t three[3], four[4];
    nnom_tensor_t t = {.p_data = three, .dim = dim, .q_dec = q_dec, .num_dim = 4, .bitwidth = 8};
    const nnom_io_config_t declared = {.tensor = &t};
    const nnom_status_t refused = NNOM_COMPAT_043 ? NN_SUCCESS : NN_SIZE_MISMATCH;
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    CHECK(model_compile(&m, input, m.hook(Output(shape(3, 1, 1), three), input)) == refused);
    model_delete(&m);
    new_model(&m);
    input = Input(shape(1, 1, 4), in);
    CHECK(model_compile(&m, input, m.hook(output_s(&declared), input)) == refused);
    model_delete(&m);
    new_model(&m);
    input = Input(shape(1, 1, 4), in);
    dim[3] = 4, t.p_data = four; /* exactly enough, in more dimensions than a shape has */
    CHECK(run(&m, input, m.hook(output_s(&declared), input)) == NN_SUCCESS && four[3] == 9);
    model_delete(&m);
}

/* A ring has no last layer; named or not, compilation comes back. */
static void ring(void)
{
    for (int named = 0; named < 2; named++) {
        nnom_model_t m;
        new_model(&m);
        nnom_layer_t *input = Input(shape(1, 1, 4), in);
        nnom_layer_t *relu = m.hook(ReLU(), input);
        nnom_layer_t *end = m.hook(Output(shape(1, 1, 4), out), relu);
        m.hook(input, end);
        CHECK(m.add(&m, input) == NN_SUCCESS);
        nnom_layer_t *more = ReLU();
        CHECK(m.add(&m, more) == NN_ARGUMENT_ERROR);
        nnom_layer_delete(more);
        CHECK(model_compile(&m, input, named ? end : NULL) == NN_ARGUMENT_ERROR);
        CHECK(model_run(&m) == NN_ARGUMENT_ERROR);
        model_delete(&m);
    }
}

/* An activation hooked to a second layer too belongs to neither. */
static void view_of_two(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *a = m.hook(Lambda(NULL, NULL, NULL, NULL), input);
    nnom_layer_t *b = m.hook(Lambda(NULL, NULL, NULL, NULL), input);
    nnom_layer_t *view = m.active(act_relu(), a);
    m.hook(view, b);
    nnom_layer_t *end = m.hook(Output(shape(1, 1, 4), out), view);
    const nnom_status_t status = run(&m, input, end);
    CHECK(NNOM_COMPAT_043 || (status == NN_SUCCESS && gives(0, 5, 0, 9)));
    model_delete(&m);
}

/* More than eight inputs are refused, not written past the end */
static void too_many_inputs(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *sum = Add(0);
    for (int i = 0; i < 9; i++) {
        m.hook(sum, input);
    }
    CHECK(run(&m, input, m.hook(Output(shape(1, 1, 4), out), sum)) == NN_ARGUMENT_ERROR);
    model_delete(&m);
}

/* Several models side by side, deleted in another order. */
static void two_models(void)
{
    nnom_model_t a, *b = new_model(NULL);
    new_model(&a);
    static int8_t out_b[4];
    nnom_layer_t *in_a = Input(shape(1, 1, 4), in), *in_b = Input(shape(1, 1, 4), in);
    nnom_layer_t *end_a = a.hook(Output(shape(1, 1, 4), out), a.hook(ReLU(), in_a));
    nnom_layer_t *end_b = b->hook(Output(shape(1, 1, 4), out_b), b->hook(LeakyReLU(0.5f), in_b));
    CHECK(model_compile(&a, in_a, end_a) == NN_SUCCESS);
    CHECK(model_compile(b, in_b, end_b) == NN_SUCCESS);
    CHECK(model_run(b) == NN_SUCCESS && model_run(&a) == NN_SUCCESS);
    CHECK(gives(0, 5, 0, 9) && out_b[0] == -1 && out_b[2] == -3);
    model_delete(&a);
    CHECK(model_run(b) == NN_SUCCESS);
    model_delete(b);
}

static nnom_status_t stop(nnom_model_t *m, nnom_layer_t *layer)
{
    (void)m;
    return layer->type == NNOM_OUTPUT ? NN_MORE_TODO : NN_SUCCESS;
}

static nnom_status_t refuse(nnom_layer_t *layer)
{
    (void)layer;
    return NN_TEST_FAILURE;
}

/* Status codes of layers and callbacks come out of model_run. */
static void statuses(void)
{
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 1, 4), in);
    nnom_layer_t *end = m.hook(Output(shape(1, 1, 4), out), input);
    CHECK(model_compile(&m, input, end) == NN_SUCCESS);
    CHECK(model_set_callback(&m, stop) == NN_SUCCESS);
    CHECK(model_set_callback(&m, stop) == NN_SUCCESS);
    CHECK(model_set_callback(&m, (nnom_status_t(*)(nnom_model_t *, nnom_layer_t *))NULL) ==
          NN_LENGTH_ERROR);
    CHECK(model_run(&m) == NN_MORE_TODO);
    model_delete_callback(&m);
    CHECK(model_run(&m) == NN_SUCCESS);
    model_delete(&m);

    new_model(&m);
    input = Input(shape(1, 1, 4), in);
    end = m.hook(Output(shape(1, 1, 4), out), m.hook(Lambda(refuse, NULL, NULL, NULL), input));
    CHECK(run(&m, input, end) == NN_TEST_FAILURE);
    model_delete(&m);

    new_model(&m);
    input = Input(shape(1, 1, 4), in);
    end = m.hook(Output(shape(1, 1, 4), out), m.hook(Lambda(NULL, refuse, NULL, NULL), input));
    CHECK(run(&m, input, end) == NN_TEST_FAILURE); /* upstream goes on */
    model_delete(&m);

    /* evaluation passes on what the model says, and counts no prediction that there was not */
    new_model(&m);
    input = Input(shape(1, 1, 4), in);
    end = m.hook(Output(shape(1, 1, 4), out), input);
    CHECK(model_compile(&m, input, end) == NN_SUCCESS);
    nnom_predict_t *pre = prediction_create(&m, out, 4, 1);
    uint32_t label = 77;
    float prob = 7;
    model_set_callback(&m, stop);
    CHECK(prediction_run(pre, 3, &label, &prob) == NN_MORE_TODO && pre->predict_count == 0);
    CHECK(nnom_predict(&m, &label, &prob) == NN_MORE_TODO);
    CHECK(label == 77 && prob == 7);
    model_delete_callback(&m);
    CHECK(prediction_run(pre, 3, &label, &prob) == NN_SUCCESS && pre->predict_count == 1);
    CHECK(label == 3);
    prediction_delete(pre);
    CHECK(prediction_create(NULL, out, 4, 1) == NULL && prediction_create(&m, out, 0, 1) == NULL);
    CHECK(prediction_create(&m, NULL, 4, 1) == NULL);
    const size_t root = (size_t)1 << (4 * sizeof(size_t)); /* its square is 0 */
    CHECK(prediction_create(&m, out, root, 1) == NULL);
    CHECK(prediction_create(&m, out, 4, SIZE_MAX / 4 + 2) == NULL); /* four times that is 4 */
    model_delete(&m);
}

/* The tensor helpers that users' code calls. */
static void tensors(void)
{
    nnom_shape_data_t dim[3] = {2, 1, 3};
    nnom_qformat_param_t dec[3] = {1, 2, 3}, offset[3] = {0};
    int8_t data[6] = {1, 2, 3, 4, 5, 6}, moved[6], back[6];
    nnom_tensor_t *a = new_tensor(NNOM_QTYPE_PER_AXIS, 3, 3), *b = new_tensor(NNOM_QTYPE_PER_AXIS, 3, 3);
    nnom_tensor_t *c = new_tensor(NNOM_QTYPE_PER_TENSOR, 3, 3);
    tensor_set_attr(a, dec, offset, dim, 3, 8);
    CHECK(tensor_cpy_attr(b, a) == b && b->q_dec[2] == 3 && b->dim[2] == 3);
    CHECK(tensor_cpy_attr(c, a) == NULL);
    CHECK(tensor_get_num_channel(a) == 3 && tensor_size(a) == 6 && tensor_size_byte(a) == 6);
    CHECK(tensor_size(NULL) == 0 && tensor_size_byte(NULL) == 0);
    a->p_data = data, b->p_data = moved, c->p_data = back;
    tensor_hwc2chw_q7(b, a);
    CHECK(moved[0] == 1 && moved[1] == 4 && moved[5] == 6);
    nnom_tensor_t view = *b;
    view.p_data = moved;
    tensor_chw2hwc_q7(c, &view);
    CHECK(memcmp(back, data, 6) == 0);
    delete_tensor(a), delete_tensor(b), delete_tensor(c), delete_tensor(NULL);
    CHECK(nnom_alignto(5, 4) == 8 && nnom_io_length(NULL) == 0 && nnom_hook_length(NULL) == 0);
    CHECK(io_add_aux(NULL) == NULL && shape_size(NULL) == 0);
    CHECK(check_model_version(NNOM_VERSION) == NN_SUCCESS);
}

/* Constructors without what they need: nothing, and nothing leaks. */
static void nothing_from_nothing(void)
{
    CHECK(conv2d_s(NULL) == NULL && dense_s(NULL) == NULL && maxpool_s(NULL) == NULL);
    CHECK(input_s(NULL) == NULL && output_s(NULL) == NULL && concat_s(NULL) == NULL);
    CHECK(add_s(NULL) == NULL && sub_s(NULL) == NULL && mult_s(NULL) == NULL);
    CHECK(softmax_s(NULL) == NULL && flatten_s(NULL) == NULL && reshape_s(NULL) == NULL);
    CHECK(upsample_s(NULL) == NULL && zeropadding_s(NULL) == NULL && cropping_s(NULL) == NULL);
    CHECK(lambda_s(NULL) == NULL && rnn_s(NULL, NULL) == NULL && gru_cell_s(NULL) == NULL);
    CHECK(simple_cell_s(NULL) == NULL && lstm_cell_s(NULL) == NULL);
    CHECK(global_maxpool_s(NULL) == NULL && global_avgpool_s(NULL) == NULL);
    CHECK(global_sumpool_s(NULL) == NULL && avgpool_s(NULL) == NULL && sumpool_s(NULL) == NULL);
    CHECK(Conv2D(1, kernel(1, 1), kernel(1, 1), kernel(1, 1), PADDING_SAME, NULL, NULL) == NULL);
    CHECK(Dense(1, NULL, NULL) == NULL && Activation(NULL) == NULL);
    const nnom_lambda_config_t none = {0};
    nnom_model_t m;
    new_model(&m);
    CHECK(m.hook(lambda_s(&none), NULL) == NULL && m.active(act_relu(), NULL) == NULL);
    CHECK(m.merge(Add(0), NULL, NULL) == NULL);
    CHECK(model_buffer_size(&m) == 0 && model_buffer_size(NULL) == 0);
}

/* The struct constructors of layers that have few parameters, in one chain. */
static void struct_constructors(void)
{
    static const nnom_zero_padding_config_t pad = {.pad = {1, 0, 0, 1}};
    static const nnom_cropping_config_t crop = {.pad = {1, 0, 0, 1}};
    static const nnom_upsample_config_t up = {.kernel = {1, 2}};
    static const nnom_pool_config_t pool = {
        .padding_type = PADDING_VALID, .kernel_size = {2}, .stride_size = {2}, .num_dim = 1};
    static const nnom_flatten_config_t flat = {0};
    static const nnom_layer_config_t base = {0};
    static const nnom_concat_config_t join = {.axis = -1};
    static const nnom_matrix_config_t none = {.output_shift = 0};
    static const nnom_softmax_config_t soft = {0};
    static const nnom_lambda_config_t copy = {0};
    int8_t longer[8];
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *input = Input(shape(1, 4, 1), in);
    nnom_layer_t *x = m.hook(zeropadding_s(&pad), input);
    x = m.hook(cropping_s(&crop), x);
    x = m.hook(upsample_s(&up), x);
    x = m.hook(maxpool_s(&pool), x);
    x = m.hook(lambda_s(&copy), x);
    x = m.merge(sub_s(&none), m.merge(add_s(&none), x, x), x);
    x = m.hook(flatten_s(&flat), m.hook(baselayer_s(&base), x));
    nnom_layer_t *end = m.hook(Output(shape(1, 1, 8), longer), m.merge(concat_s(&join), x, x));
    CHECK(run(&m, input, end) == NN_SUCCESS);
    CHECK(memcmp(longer, in, 4) == 0 && memcmp(longer + 4, in, 4) == 0);
    model_delete(&m);

    new_model(&m);
    input = Input(shape(1, 1, 4), in);
    x = m.hook(softmax_s(&soft), m.merge(mult_s(&none), input, input));
    CHECK(run(&m, input, m.hook(Output(shape(1, 1, 4), out), x)) == NN_SUCCESS && gives(0, 0, 0, 127));
    model_delete(&m);
}

int main(void)
{
    struct_constructors();
    output_left_out();
    residual();
    ignored_result();
    view_of_a_layer();
    activation_at_the_end();
    too_many_branches();
    too_many_inputs();
    two_models();
    small_output();
    ring();
    view_of_two();
    statuses();
    tensors();
    nothing_from_nothing();
    return failures != 0;
}
