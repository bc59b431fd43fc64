/* SPDX-License-Identifier: Apache-2.0
 * Runs network descriptions through the public API, so that any model can be tried without compiling
 * it. One description:
 *
 *   graph LAYERS
 *   KIND N_INPUTS INPUT... PARAMETERS...      one line a layer, inputs are indices
 *   tail LAYER KIND PARAMETERS...             an activation attached to a layer
 *   dec LAYER VALUE                           the layer's format, where it cannot know it
 *   run VALUES...                             runs the model once
 *   end
 *
 * "fail N" before a graph makes the library's allocation N (from 0) fail, once.
 *
 * Numbers are decimal; arrays are written as their length and values, -1 for none. On the host the
 * script comes from standard input and "out INDEX : VALUES" is printed for every layer. On a target
 * (GRAPH_RUNNER_TARGET) the script is part of the image and "crc INDEX VALUE" is printed. */
#include <ctype.h>

#include "layers/nnom_baselayer.h"
#include "nnom.h"
#ifdef GRAPH_RUNNER_TARGET
#include "platform/platform.h"
#endif

#define MAX_LAYERS 64
#define MAX_ALLOCATIONS 2048
#define MAX_WORD 32

#ifdef GRAPH_RUNNER_TARGET
#define RESULTS stdout
extern const char script_start[], script_end[];
static const char *next = script_start;

static int get(void)
{
    return next < script_end ? *next++ : EOF;
}
#else
#define RESULTS stderr

static int get(void)
{
    return getchar();
}
#endif

#ifndef GRAPH_RUNNER_TARGET
/* allocations the library still gets before one fails; negative: all */
static long allocations_left = -1;
static long allocations;

void *runner_malloc(size_t size)
{
    allocations++;
    return allocations_left-- == 0 ? NULL : malloc(size);
}
#endif

static void *pool[MAX_ALLOCATIONS];
static size_t pool_used;

/* memory that lives as long as one description */
static void *keep(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL || pool_used == MAX_ALLOCATIONS) {
        fprintf(RESULTS, "the runner has no memory left\n");
        abort();
    }
    return pool[pool_used++] = p;
}

static void give_up(const char *what)
{
    fprintf(RESULTS, "%s\n", what);
    exit(2);
}

/* The next word; false at the end of the script. */
static bool word(char *out)
{
    int c = get();
    size_t n = 0;
    while (c != EOF && isspace(c)) {
        c = get();
    }
    for (; c != EOF && !isspace(c); c = get()) {
        if (n + 1 == MAX_WORD) {
            give_up("a word is too long");
        }
        out[n++] = (char)c;
    }
    out[n] = 0;
    return n > 0;
}

static long number(void)
{
    char text[MAX_WORD], *end;
    if (!word(text)) {
        give_up("a number was expected");
    }
    const long value = strtol(text, &end, 10);
    if (*end != 0) {
        give_up("a number was expected");
    }
    return value;
}

static float real(void)
{
    char text[MAX_WORD];
    if (!word(text)) {
        give_up("a real number was expected");
    }
    return strtof(text, NULL);
}

static int8_t *bytes(void)
{
    const long n = number();
    if (n < 0) {
        return NULL;
    }
    int8_t *data = keep((size_t)n + 1);
    for (long i = 0; i < n; i++) {
        data[i] = (int8_t)number();
    }
    return data;
}

static int32_t *ints(void)
{
    const long n = number();
    int32_t *data = keep((size_t)n * sizeof(int32_t) + sizeof(int32_t));
    for (long i = 0; i < n; i++) {
        data[i] = (int32_t)number();
    }
    return data;
}

static nnom_shape_data_t *dims(uint8_t *count)
{
    const long n = number();
    nnom_shape_data_t *data = keep((size_t)n * sizeof(nnom_shape_data_t) + 1);
    for (long i = 0; i < n; i++) {
        data[i] = (nnom_shape_data_t)number();
    }
    *count = (uint8_t)n;
    return data;
}

static nnom_tensor_t *tensor(void)
{
    nnom_tensor_t *t = keep(sizeof(*t));
    t->dim = dims(&t->num_dim);
    t->qtype = number() ? NNOM_QTYPE_PER_AXIS : NNOM_QTYPE_PER_TENSOR;
    t->q_dec = ints();
    t->q_offset = keep(sizeof(int32_t));
    t->bitwidth = 8;
    t->p_data = bytes();
    return t;
}

static void pair(int8_t out[2])
{
    out[0] = (int8_t)number();
    out[1] = (int8_t)number();
}

static nnom_border_t read_border(void)
{
    const size_t t = (size_t)number(), b = (size_t)number(), l = (size_t)number();
    return border(t, b, l, (size_t)number());
}

static nnom_activation_t *activation(void)
{
    char kind[MAX_WORD];
    if (!word(kind)) {
        give_up("a kind was expected");
    }
    const int32_t dec = (int32_t)number();
    const float slope = real(), max = real(), threshold = real();
    if (strcmp(kind, "relu") == 0) return act_relu();
    if (strcmp(kind, "leaky_relu") == 0) return act_leaky_relu(slope);
    if (strcmp(kind, "adv_relu") == 0) return act_adv_relu(slope, max, threshold);
    if (strcmp(kind, "tanh") == 0) return act_tanh(dec);
    if (strcmp(kind, "sigmoid") == 0) return act_sigmoid(dec);
    if (strcmp(kind, "hard_tanh") == 0) return act_hard_tanh(dec);
    if (strcmp(kind, "hard_sigmoid") == 0) return act_hard_sigmoid(dec);
    give_up("an unknown activation");
    return NULL;
}

static nnom_layer_t *convolution(nnom_layer_t *(*constructor)(const nnom_conv2d_config_t *))
{
    nnom_conv2d_config_t *c = keep(sizeof(*c));
    c->weight = tensor();
    c->bias = tensor();
    c->output_shift = ints();
    c->bias_shift = ints();
    c->filter_size = (uint32_t)number();
    pair(c->kernel_size);
    pair(c->stride_size);
    pair(c->dilation_size);
    c->padding_type = number() ? PADDING_SAME : PADDING_VALID;
    c->pad_value = (q7_t)number();
    return constructor(c);
}

static nnom_layer_t *dense(void)
{
    nnom_dense_config_t *c = keep(sizeof(*c));
    c->weight = tensor();
    c->bias = tensor();
    c->output_shift = ints();
    c->bias_shift = ints();
    c->per_axis = number() != 0;
    return dense_s(c);
}

static nnom_pool_config_t *pool_config(void)
{
    nnom_pool_config_t *c = keep(sizeof(*c));
    c->num_dim = (int8_t)number();
    pair(c->kernel_size);
    pair(c->stride_size);
    c->padding_type = number() ? PADDING_SAME : PADDING_VALID;
    c->output_shift = (int16_t)number();
    return c;
}

static nnom_rnn_cell_t *cell(void)
{
    char kind[MAX_WORD];
    if (!word(kind)) {
        give_up("a kind was expected");
    }
    nnom_tensor_t *weights = tensor(), *recurrent = tensor(), *bias = tensor();
    const uint16_t units = (uint16_t)number();
    const int32_t h = (int32_t)number(), z = (int32_t)number(), c = (int32_t)number();
    const int32_t iw = (int32_t)number(), hw = (int32_t)number();
    const nnom_activation_type_t act = number() ? ACT_SIGMOID : ACT_TANH;
    if (strcmp(kind, "simple") == 0) {
        const nnom_simple_cell_config_t config = {
            .weights = weights, .recurrent_weights = recurrent, .bias = bias, .q_dec_iw = iw,
            .q_dec_hw = hw, .q_dec_h = h, .act_type = act, .units = units};
        return simple_cell_s(memcpy(keep(sizeof(config)), &config, sizeof(config)));
    }
    if (strcmp(kind, "gru") == 0) {
        const nnom_gru_cell_config_t config = {.weights = weights, .recurrent_weights = recurrent,
                                               .bias = bias, .q_dec_z = z, .q_dec_h = h,
                                               .units = units};
        return gru_cell_s(memcpy(keep(sizeof(config)), &config, sizeof(config)));
    }
    const nnom_lstm_cell_config_t config = {.weights = weights, .recurrent_weights = recurrent,
                                            .bias = bias, .q_dec_z = z, .q_dec_h = h, .q_dec_c = c,
                                            .units = units};
    return lstm_cell_s(memcpy(keep(sizeof(config)), &config, sizeof(config)));
}

static nnom_layer_t *rnn(void)
{
    nnom_rnn_cell_t *its_cell = cell();
    nnom_rnn_config_t *c = keep(sizeof(*c));
    c->return_sequence = number() != 0;
    c->stateful = number() != 0;
    c->go_backwards = number() != 0;
    c->time_order = number() != 0;
    return rnn_s(its_cell, c);
}

static nnom_global_pool_config_t *global_pool(void)
{
    nnom_global_pool_config_t *c = keep(sizeof(*c));
    c->output_shift = (int16_t)number();
    return c;
}

static nnom_layer_t *layer_of(const char *kind, int8_t *input, int8_t *output)
{
    if (strcmp(kind, "input") == 0) {
        nnom_io_config_t *c = keep(sizeof(*c));
        c->tensor = keep(sizeof(nnom_tensor_t));
        c->tensor->dim = dims(&c->tensor->num_dim);
        c->tensor->q_dec = ints();
        c->tensor->p_data = input;
        return input_s(c);
    }
    if (strcmp(kind, "output") == 0) {
        nnom_io_config_t *c = keep(sizeof(*c));
        c->tensor = keep(sizeof(nnom_tensor_t));
        c->tensor->dim = dims(&c->tensor->num_dim);
        c->tensor->q_dec = ints();
        c->tensor->p_data = output;
        return output_s(c);
    }
    if (strcmp(kind, "conv2d") == 0) return convolution(conv2d_s);
    if (strcmp(kind, "dw_conv2d") == 0) return convolution(dw_conv2d_s);
    if (strcmp(kind, "dense") == 0) return dense();
    if (strcmp(kind, "conv2d_trans") == 0) return convolution(conv2d_trans_s);
    if (strcmp(kind, "rnn") == 0) return rnn();
    if (strcmp(kind, "lambda") == 0) return Lambda(NULL, NULL, NULL, NULL);
    if (strcmp(kind, "maxpool") == 0) return maxpool_s(pool_config());
    if (strcmp(kind, "avgpool") == 0) return avgpool_s(pool_config());
    if (strcmp(kind, "sumpool") == 0) return sumpool_s(pool_config());
    if (strcmp(kind, "global_sumpool") == 0) return global_sumpool_s(global_pool());
    if (strcmp(kind, "global_maxpool") == 0) return global_maxpool_s(global_pool());
    if (strcmp(kind, "global_avgpool") == 0) return global_avgpool_s(global_pool());
    if (strcmp(kind, "zero_padding") == 0) return ZeroPadding(read_border());
    if (strcmp(kind, "cropping") == 0) return Cropping(read_border());
    if (strcmp(kind, "upsample") == 0) {
        const size_t h = (size_t)number();
        return UpSample(kernel(h, (size_t)number()));
    }
    if (strcmp(kind, "reshape") == 0) {
        nnom_reshape_config_t *c = keep(sizeof(*c));
        c->dim = dims(&c->num_dim);
        return reshape_s(c);
    }
    if (strcmp(kind, "flatten") == 0) return Flatten();
    if (strcmp(kind, "softmax") == 0) return Softmax();
    if (strcmp(kind, "softmax_base_two") == 0) {
        nnom_softmax_config_t *c = keep(sizeof(*c));
        c->base = NNOM_SOFTMAX_BASE_TWO;
        return softmax_s(c);
    }
    if (strcmp(kind, "concat") == 0) return Concat((int8_t)number());
    if (strcmp(kind, "add") == 0) return Add((int16_t)number());
    if (strcmp(kind, "sub") == 0) return Sub((int16_t)number());
    if (strcmp(kind, "mult") == 0) return Mult((int16_t)number());
    if (strcmp(kind, "activation") == 0) return Activation(activation());
    if (strcmp(kind, "base") == 0) return BaseLayer();
    give_up("an unknown layer kind");
    return NULL;
}

static nnom_layer_t *layers[MAX_LAYERS];

#ifdef GRAPH_RUNNER_TARGET
static uint32_t crc32(const int8_t *data, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint8_t)data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
    return ~crc;
}
#endif

static nnom_status_t print_layer(nnom_model_t *m, nnom_layer_t *layer)
{
    const int8_t *data = layer->out->tensor->p_data;
    const size_t size = tensor_size(layer->out->tensor);
    int index = 0;
    (void)m;
    while (index < MAX_LAYERS && layers[index] != layer) {
        index++;
    }
#ifdef GRAPH_RUNNER_TARGET
    fprintf(RESULTS, "crc %d %lu\n", index, (unsigned long)crc32(data, size));
#else
    fprintf(RESULTS, "out %d :", index);
    for (size_t k = 0; k < size; k++) {
        fprintf(RESULTS, " %d", data[k]);
    }
    fprintf(RESULTS, "\n");
#endif
    return NN_SUCCESS;
}

static void print_format(int index)
{
    const nnom_tensor_t *t = layers[index]->out->tensor;
    fprintf(RESULTS, "format %d %d %ld", index, t->bitwidth, (long)t->q_dec[0]);
    for (int i = 0; i < t->num_dim; i++) {
        fprintf(RESULTS, " %d", t->dim[i]);
    }
    fprintf(RESULTS, "\n");
}

static void describe(int count)
{
    static int8_t input[1 << 16], output[1 << 16];
    nnom_model_t model;
    char kind[MAX_WORD];

    memset(layers, 0, sizeof(layers));
    new_model(&model);
    for (int i = 0; i < count; i++) {
        int inputs[8];
        if (!word(kind)) {
            give_up("a layer was expected");
        }
        const int n = (int)number();
        for (int k = 0; k < n; k++) {
            inputs[k] = (int)number();
        }
        layers[i] = layer_of(kind, input, output);
        for (int k = 0; k < n; k++) {
            layers[i] = model.hook(layers[i], layers[inputs[k]]);
        }
    }
    nnom_status_t status = NN_MORE_TODO;
    while (word(kind) && strcmp(kind, "end") != 0) {
        if (strcmp(kind, "tail") == 0) {
            const int target = (int)number();
            model.active(activation(), layers[target]);
            continue;
        }
        if (strcmp(kind, "dec") == 0) {
            const int target = (int)number();
            nnom_layer_set_dec(layers[target], (int32_t)number());
            continue;
        }
        if (status == NN_MORE_TODO) {
            status = model_compile(&model, layers[0], layers[count - 1]);
            model_set_callback(&model, print_layer);
            fprintf(RESULTS, "compiled %d\n", status);
            fprintf(RESULTS, "buffer %lu\n", (unsigned long)model_buffer_size(&model));
            for (int i = 0; status == NN_SUCCESS && i < count; i++) {
                print_format(i);
            }
        }
        const long n = number();
        for (long i = 0; i < n; i++) {
            input[i] = (int8_t)number();
        }
        fprintf(RESULTS, "ran %d\n", model_run(&model));
#ifndef GRAPH_RUNNER_TARGET
        fprintf(RESULTS, "result");
        for (size_t i = 0; status == NN_SUCCESS && i < tensor_size(model.tail->out->tensor); i++) {
            fprintf(RESULTS, " %d", output[i]);
        }
        fprintf(RESULTS, "\n");
#endif
    }
#ifndef GRAPH_RUNNER_TARGET
    model_stat(&model);
    model_io_format(&model);
#endif
    model_delete(&model);
    while (pool_used > 0) {
        free(pool[--pool_used]);
    }
}

int main(void)
{
    char kind[MAX_WORD];
#ifdef GRAPH_RUNNER_TARGET
    console_init();
#endif
    while (word(kind)) {
#ifndef GRAPH_RUNNER_TARGET
        allocations = 0;
        if (strcmp(kind, "fail") == 0) {
            allocations_left = number();
            continue;
        }
#endif
        const long count = strcmp(kind, "graph") == 0 ? number() : 0;
        if (count < 1 || count > MAX_LAYERS) {
            give_up("a graph was expected");
        }
        describe((int)count);
#ifndef GRAPH_RUNNER_TARGET
        fprintf(RESULTS, "allocations %ld\n", allocations);
        allocations_left = -1;
#endif
        fprintf(RESULTS, "done\n");
    }
#ifdef GRAPH_RUNNER_TARGET
    fprintf(RESULTS, "finished\n");
    for (;;) {
    }
#endif
    return 0;
}
