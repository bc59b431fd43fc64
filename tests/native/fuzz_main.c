/* SPDX-License-Identifier: Apache-2.0
 * Models with random fields: argv[1] of them from seed argv[2], built, compiled, run and deleted.
 * Every buffer is as large as the tensor that describes it, so whatever the library reads or writes
 * beyond is a finding of the sanitizers. */
#include "layers/nnom_baselayer.h"
#include "nnom.h"

static uint64_t state;

static uint32_t any(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n == 0 ? 0 : (uint32_t)(state >> 11) % n;
}

/* mostly small and sensible, sometimes anything */
static int32_t field(int32_t low, int32_t high)
{
    switch (any(40)) {
    case 0:
        return (int32_t)(state >> 32);
    case 1:
        return -(int32_t)any(300);
    case 2:
        return (int32_t)any(70000);
    default:
        return low + (int32_t)any((uint32_t)(high - low + 1));
    }
}

#define KEPT 256
static void *kept[KEPT];
static int kept_count;

static void *keep(size_t size)
{
    return kept[kept_count++] = calloc(1, size + 1);
}

/* a tensor whose data has exactly the elements that its dimensions say; sometimes parts lack */
static nnom_tensor_t *tensor(uint32_t n, const uint16_t *wanted)
{
    nnom_tensor_t *t = keep(sizeof(*t));
    nnom_shape_data_t *dim = keep(8 * sizeof(*dim));
    size_t size = 1;
    for (uint32_t i = 0; i < 8; i++) {
        dim[i] = i < n ? wanted[i] : 1;
        if (any(30) == 0) {
            dim[i] = (uint16_t)field(0, 9);
        }
    }
    t->num_dim = (uint8_t)(any(40) == 0 ? any(9) : n);
    for (uint32_t i = 0; i < t->num_dim; i++) {
        size *= dim[i];
    }
    if (size > 100000) { /* declare nothing that is not there */
        dim[0] = 0;
        size = 0;
    }
    t->dim = any(60) == 0 ? NULL : dim;
    t->q_dec = any(60) == 0 ? NULL : keep(sizeof(int32_t));
    if (t->q_dec != NULL) {
        t->q_dec[0] = field(0, 9);
    }
    t->q_offset = keep(sizeof(int32_t));
    t->qtype = any(4) == 0 ? NNOM_QTYPE_PER_AXIS : NNOM_QTYPE_PER_TENSOR;
    t->bitwidth = 8;
    int8_t *data = any(60) == 0 ? NULL : malloc(size + (size == 0));
    kept[kept_count++] = data;
    for (size_t i = 0; data != NULL && i < size; i++) {
        data[i] = (int8_t)any(256);
    }
    t->p_data = data;
    return any(60) == 0 ? NULL : t;
}

/* one shift, or one for each of 65535 channels */
static int32_t *shifts(bool many)
{
    static int32_t table[UINT16_MAX + 1];
    if (any(60) == 0) {
        return NULL;
    }
    const int32_t shift = field(0, 12);
    if (many) {
        for (int i = 0; i < 64; i++) {
            table[i] = field(0, 12);
        }
        return table;
    }
    int32_t *one = keep(sizeof(int32_t));
    *one = shift;
    return one;
}

static nnom_layer_t *convolution(const nnom_3d_shape_t in)
{
    nnom_conv2d_config_t *c = keep(sizeof(*c));
    const uint32_t kind = any(3);
    const bool is_1d = any(3) == 0;
    const uint16_t kh = (uint16_t)(1 + any(4)), kw = (uint16_t)(1 + any(4));
    const uint16_t filters = (uint16_t)(1 + any(5));
    const uint16_t dims_2d[4] = {kh, kw, in.c, filters}, dims_1d[3] = {kw, in.c, filters};
    const uint16_t bias_dim[1] = {(uint16_t)(kind == 1 ? filters * in.c : filters)};
    c->weight = is_1d ? tensor(3, dims_1d) : tensor(4, dims_2d);
    c->bias = tensor(1, bias_dim);
    c->output_shift = shifts(c->weight != NULL && c->weight->qtype == NNOM_QTYPE_PER_AXIS);
    c->bias_shift = shifts(c->weight != NULL && c->weight->qtype == NNOM_QTYPE_PER_AXIS);
    c->filter_size = any(30) == 0 ? (uint32_t)field(0, 9) : filters;
    c->kernel_size[0] = (int8_t)(any(30) == 0 ? field(0, 9) : is_1d ? kw : kh);
    c->kernel_size[1] = (int8_t)(any(30) == 0 ? field(0, 9) : kw);
    for (int i = 0; i < 2; i++) {
        c->stride_size[i] = (int8_t)field(1, 3);
        c->dilation_size[i] = (int8_t)field(1, 2);
    }
    c->padding_type = any(2) ? PADDING_SAME : PADDING_VALID;
    c->pad_value = (q7_t)(any(4) == 0 ? field(-128, 127) : 0);
    return kind == 0 ? conv2d_s(c) : kind == 1 ? dw_conv2d_s(c) : conv2d_trans_s(c);
}

static nnom_layer_t *dense(size_t inputs)
{
    nnom_dense_config_t *c = keep(sizeof(*c));
    const uint16_t units = (uint16_t)(1 + any(9));
    const uint16_t dims[2] = {(uint16_t)inputs, units}, bias_dim[1] = {units};
    c->weight = tensor(2, dims);
    c->bias = tensor(1, bias_dim);
    c->per_axis = any(3) == 0;
    c->output_shift = shifts(c->per_axis);
    c->bias_shift = shifts(c->per_axis);
    return dense_s(c);
}

static nnom_layer_t *rnn(const nnom_3d_shape_t in)
{
    const uint16_t units = (uint16_t)(1 + any(6));
    const uint32_t kind = any(3);
    const uint16_t gates = (uint16_t)(kind == 0 ? 1 : kind == 1 ? 3 : 4);
    const uint16_t rows = (uint16_t)(gates * units);
    const uint16_t w[2] = {in.c, rows}, r[2] = {units, rows}, b[2] = {(uint16_t)(1 + any(2)), rows};
    nnom_tensor_t *weights = tensor(2, w), *recurrent = tensor(2, r), *bias = tensor(2, b);
    const uint16_t declared = (uint16_t)(any(30) == 0 ? field(0, 9) : units);
    nnom_rnn_config_t *c = keep(sizeof(*c));
    c->return_sequence = any(2);
    c->stateful = any(2);
    c->go_backwards = any(2);
    c->time_order = any(2);
    nnom_rnn_cell_t *cell;
    if (kind == 0) {
        nnom_simple_cell_config_t *s = keep(sizeof(*s));
        *s = (nnom_simple_cell_config_t){.weights = weights, .recurrent_weights = recurrent,
                                         .bias = bias, .q_dec_iw = field(0, 7),
                                         .q_dec_hw = field(0, 7), .q_dec_h = field(7, 7),
                                         .act_type = (nnom_activation_type_t)any(9),
                                         .units = declared};
        cell = simple_cell_s(s);
    } else if (kind == 1) {
        nnom_gru_cell_config_t *s = keep(sizeof(*s));
        *s = (nnom_gru_cell_config_t){.weights = weights, .recurrent_weights = recurrent,
                                      .bias = bias, .q_dec_z = field(0, 7),
                                      .q_dec_h = field(7, 7), .units = declared};
        cell = gru_cell_s(s);
    } else {
        nnom_lstm_cell_config_t *s = keep(sizeof(*s));
        *s = (nnom_lstm_cell_config_t){.weights = weights, .recurrent_weights = recurrent,
                                       .bias = bias, .q_dec_z = field(0, 7),
                                       .q_dec_h = field(7, 7), .q_dec_c = field(0, 7),
                                       .units = declared};
        cell = lstm_cell_s(s);
    }
    return rnn_s(cell, any(60) == 0 ? NULL : c);
}

static nnom_activation_t *activation(void)
{
    static const float odd[4] = {0.0f, -1e30f, 1e30f, NAN};
    const float a = any(8) == 0 ? odd[any(4)] : (float)field(0, 127) / 128.0f;
    switch (any(8)) {
    case 0:
        return act_leaky_relu(a);
    case 1:
        return act_adv_relu(a, any(2) ? INFINITY : (float)field(0, 8), a);
    case 2:
        return act_tanh(field(0, 8));
    case 3:
        return act_sigmoid(field(0, 8));
    case 4:
        return act_hard_tanh(field(0, 8));
    case 5:
        return act_hard_sigmoid(field(0, 8));
    case 6:
        return any(10) == 0 ? NULL : act_relu();
    default:
        return act_relu();
    }
}

static nnom_layer_t *simple(void)
{
    nnom_pool_config_t *p = keep(sizeof(*p));
    nnom_global_pool_config_t *g = keep(sizeof(*g));
    nnom_reshape_config_t *r = keep(sizeof(*r));
    p->num_dim = (int8_t)field(1, 2);
    p->padding_type = any(2) ? PADDING_SAME : PADDING_VALID;
    p->output_shift = (int16_t)field(0, 2);
    g->output_shift = (int16_t)field(0, 2);
    for (int i = 0; i < 2; i++) {
        p->kernel_size[i] = (int8_t)field(1, 3);
        p->stride_size[i] = (int8_t)field(1, 3);
    }
    r->dim = keep(8 * sizeof(nnom_shape_data_t));
    r->num_dim = (uint8_t)field(1, 3);
    for (int i = 0; i < 3; i++) {
        r->dim[i] = (uint16_t)field(1, 8);
    }
    const nnom_border_t b = border((size_t)field(0, 2), (size_t)field(0, 2), (size_t)field(0, 2),
                                   (size_t)field(0, 2));
    switch (any(16)) {
    case 0:
        return maxpool_s(p);
    case 1:
        return avgpool_s(p);
    case 2:
        return sumpool_s(p);
    case 3:
        return global_maxpool_s(g);
    case 4:
        return global_avgpool_s(g);
    case 5:
        return global_sumpool_s(g);
    case 6:
        return ZeroPadding(b);
    case 7:
        return Cropping(b);
    case 8:
        return UpSample(kernel((size_t)field(1, 3), (size_t)field(1, 3)));
    case 9:
        return reshape_s(r);
    case 10:
        return Softmax();
    case 11:
        return Flatten();
    case 12:
        return Activation(activation());
    case 13:
        return Lambda(NULL, NULL, NULL, NULL);
    case 14:
        return BaseLayer();
    default:
        return TanH(field(0, 7));
    }
}

static void one_model(void)
{
    static int8_t in[4096], room[1 << 20];
    const nnom_3d_shape_t s = shape(1 + any(6), 1 + any(6), 1 + any(5));
    nnom_model_t m;
    nnom_layer_t *layer[8];
    int n = 1;
    new_model(&m);
    layer[0] = Input(any(60) == 0 ? shape(0, 1, 1) : s, any(60) == 0 ? NULL : in);
    while (n < 7 && any(4) != 0) {
        nnom_layer_t *source = layer[any(3) == 0 ? any((uint32_t)n) : (uint32_t)n - 1];
        switch (any(6)) {
        case 0:
            layer[n] = m.hook(convolution(s), source);
            break;
        case 1:
            layer[n] = m.hook(dense((size_t)s.h * s.w * s.c), source);
            break;
        case 2:
            layer[n] = m.hook(rnn(s), source);
            break;
        case 3:
            layer[n] = any(2) ? m.mergex(Concat((int8_t)field(-3, 3)), 2, source, layer[n - 1])
                              : m.mergex(Add((int16_t)field(0, 3)), 2, source, layer[n - 1]);
            break;
        default:
            layer[n] = m.hook(simple(), source);
            break;
        }
        if (any(4) == 0) {
            layer[n] = m.active(activation(), layer[n]);
        }
        n++;
    }
#if NNOM_COMPAT_043
    const nnom_3d_shape_t declared = shape(1, 1, 1); /* which NNoM does not look at */
    void *out = any(60) == 0 ? NULL : room;
#else
    const nnom_3d_shape_t declared = shape((size_t)field(1, 40), (size_t)field(1, 9), (size_t)field(1, 9));
    const size_t declared_size = (size_t)declared.h * declared.w * declared.c;
    void *out = declared_size <= sizeof(room) ? malloc(declared_size) : NULL;
#endif
    nnom_layer_t *output = m.hook(Output(declared, out), layer[n - 1]);
    if (output != NULL && any(50) == 0) { /* a ring, through the input or beside it */
        m.hook(layer[any((uint32_t)n)], output);
    }
    if (model_compile(&m, layer[0], any(20) == 0 ? NULL : output) == NN_SUCCESS &&
        output != NULL && tensor_size_byte(output->out->tensor) <= sizeof(room) &&
        m.total_ops < 10000000) {
        model_run(&m);
    }
    model_delete(&m);
    if (out != room) {
        free(out);
    }
    while (kept_count > 0) {
        free(kept[--kept_count]);
    }
}

int main(int argc, char **argv)
{
    const long count = argc > 1 ? atol(argv[1]) : 1000;
    state = 0x9E3779B97F4A7C15u * (uint64_t)((argc > 2 ? atol(argv[2]) : 0) + 1);
    for (long i = 0; i < count; i++) {
        one_model();
    }
    return 0;
}
