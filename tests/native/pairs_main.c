/* SPDX-License-Identifier: Apache-2.0
 * Each form of a kernel beside its twin in C99, in one image: random cases, equal bytes. Prints
 * "OPERATION FORM CASES DIFFERENT" for each row of kernels.inc that this core has. */
#include <stdio.h>
#include <stdlib.h>

#include "../../firmware/nnom/src/kernels/kernels.h"
#ifdef __arm__
#include "platform/platform.h"
#endif

#ifndef CASES
#define CASES 200
#endif

#define DATA 2048
#define MARGIN 16 /* around results, which a form may not touch */
#define MARK 0x5A
#define MOST_FILTERS 120
#define MOST_ROWS 40
#define MOST_SCRATCH 16384

static int8_t data_in[DATA + 8], weights[8 * DATA + 8], bias[DATA];
static int8_t expected[DATA + 2 * MARGIN], result[DATA + 2 * MARGIN];
static int16_t wide_in[DATA], wide_expected[MOST_ROWS + 2 * MARGIN], wide_result[MOST_ROWS + 2 * MARGIN];
static uint64_t scratch[MOST_SCRATCH / 8 + 2];
static int32_t bias_shift[MOST_FILTERS], out_shift[MOST_FILTERS];
static uint32_t state;
static nnom_conv_scratch_t *scratch_query; /* of the form that is tried; NULL: it has none */

static uint32_t below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * n) >> 32);
}

static uint32_t between(uint32_t low, uint32_t high)
{
    return low + below(high - low + 1);
}

/* every third case has the extremes only, whose sums saturate */
static void fill(int8_t *p, uint32_t n)
{
    const uint32_t kind = below(3);
    for (uint32_t i = 0; i < n; i++) {
        p[i] = kind == 0 ? (int8_t)(below(2) ? 127 : -128) : (int8_t)below(256);
    }
}

static nnom_scale_t any_scale(uint32_t channels, bool may_be_per_channel)
{
    const nnom_scale_t scale = {below(5) ? bias : NULL, bias_shift, out_shift,
                                may_be_per_channel && below(2), below(2)};
    fill(bias, channels);
    for (uint32_t i = 0; i < channels; i++) {
        bias_shift[i] = (int32_t)below(below(4) ? 12 : 24);
        out_shift[i] = (int32_t)below(below(4) ? 12 : 31);
    }
    return scale;
}

/* a window that fits the buffers; its results have that many channels */
static nnom_window_t any_window(uint32_t channels, uint32_t out_channels)
{
    nnom_window_t w;
    for (;;) {
        w.channels = (uint16_t)channels;
        w.in_x = (uint16_t)between(1, 12), w.in_y = (uint16_t)between(1, 12);
        w.kernel_x = (uint16_t)between(1, 5), w.kernel_y = (uint16_t)between(1, 5);
        w.stride_x = (uint16_t)between(1, 6), w.stride_y = (uint16_t)between(1, 6);
        w.dilation_x = (uint16_t)(below(4) ? 1 : 2), w.dilation_y = (uint16_t)(below(4) ? 1 : 3);
        w.pad_x = (uint16_t)below(w.kernel_x), w.pad_y = (uint16_t)below(w.kernel_y);
        w.out_x = (uint16_t)between(1, 1 + ((uint32_t)w.in_x + w.pad_x) / w.stride_x);
        w.out_y = (uint16_t)between(1, 1 + ((uint32_t)w.in_y + w.pad_y) / w.stride_y);
        const uint32_t window = (uint32_t)w.kernel_x * w.kernel_y * channels;
        if ((uint32_t)w.in_x * w.in_y * channels <= DATA && window * out_channels <= 8 * DATA &&
            (uint32_t)w.out_x * w.out_y * out_channels <= DATA) {
            return w;
        }
    }
}

/* 1 to 17 channels, and now and then many */
static uint32_t any_channels(void)
{
    return below(4) ? between(1, 17) : between(1, 40);
}

static void prepare(void)
{
    fill(data_in, sizeof(data_in));
    fill(weights, sizeof(weights));
    memset(expected, MARK, sizeof(expected));
    memset(result, MARK, sizeof(result));
}

static bool differ(void)
{
    return memcmp(expected, result, sizeof(expected)) != 0;
}

/* data and weights at every alignment */
#define ANY_INPUT (data_in + below(4))
#define ANY_WEIGHTS (weights + below(4))
#define OUT(buffer, shifted) ((buffer) + MARGIN + (shifted))

/* The form with as much scratch as it asks for, or with none; query NULL: it asks for none. */
static bool run_both(nnom_conv_t *p, nnom_conv_s8_t *form, nnom_conv_scratch_t *query,
                     nnom_conv_s8_t *twin)
{
    const int8_t *in = ANY_INPUT;
    const uint32_t at = below(4);
    twin(p, in, OUT(expected, at));
    const size_t size = query == NULL ? 0 : query(p);
    uint8_t *const bytes = (uint8_t *)scratch + 4; /* no more than that is promised */
    memset(scratch, MARK, sizeof(scratch));
    p->scratch = size > MOST_SCRATCH || below(4) == 0 ? NULL : bytes;
    form(p, in, OUT(result, at));
    for (size_t i = size; i < sizeof(scratch) - 4; i++) {
        if (bytes[i] != MARK) {
            return true; /* it wrote behind its scratch */
        }
    }
    return differ();
}

static bool conv_s8(nnom_conv_s8_t *form)
{
    nnom_conv_t p = {.filters = (uint16_t)any_channels()};
    prepare();
    p.window = any_window(any_channels(), p.filters);
    p.scale = any_scale(p.filters, true);
    p.weights = ANY_WEIGHTS;
    p.pad_value = (int8_t)(below(2) ? 0 : below(256));
    return run_both(&p, form, scratch_query, nnom_conv_s8_plain);
}

static bool conv_trans_s8(nnom_conv_trans_s8_t *form)
{
    nnom_conv_t p = {.filters = (uint16_t)any_channels()};
    prepare();
    p.window = any_window(any_channels(), p.filters);
    p.scale = any_scale(p.filters, true);
    p.weights = ANY_WEIGHTS;
    return run_both(&p, form, scratch_query, nnom_conv_trans_s8_plain);
}

static bool depthwise_s8(nnom_depthwise_s8_t *form)
{
    const uint32_t channels = any_channels(), multiplier = below(3) ? 1 : between(1, 3);
    nnom_conv_t p = {.filters = (uint16_t)(channels * multiplier)};
    prepare();
    p.window = any_window(channels, p.filters);
    p.scale = any_scale(p.filters, true);
    p.weights = ANY_WEIGHTS;
    p.pad_value = (int8_t)(below(2) ? 0 : below(256));
    return run_both(&p, form, scratch_query, nnom_depthwise_s8_plain);
}

static bool dense(nnom_dense_s8_t *form, nnom_dense_s8_t *twin, bool may_be_per_channel)
{
    nnom_dense_t p = {.columns = (uint16_t)between(1, 300),
                      .rows = (uint16_t)between(1, MOST_ROWS)};
    const uint32_t at = below(4);
    prepare();
    p.scale = any_scale(p.rows, may_be_per_channel);
    p.weights = ANY_WEIGHTS;
    const int8_t *in = ANY_INPUT;
    twin(&p, in, OUT(expected, at));
    form(&p, in, OUT(result, at));
    return differ();
}

static bool dense_s8(nnom_dense_s8_t *form)
{
    return dense(form, nnom_dense_s8_plain, true);
}

static bool dense_x4_s8(nnom_dense_x4_s8_t *form)
{
    return dense(form, nnom_dense_x4_s8_plain, false);
}

static bool dense_x2_s16(nnom_dense_x2_s16_t *form)
{
    nnom_dense_t p = {.columns = (uint16_t)between(1, 500)};
    const uint32_t fitting = 8u * DATA / p.columns, at = below(2);
    p.rows = (uint16_t)between(1, fitting < MOST_ROWS ? fitting : MOST_ROWS);
    prepare();
    const bool extreme = below(3) == 0;
    for (uint32_t i = 0; i < DATA; i++) {
        wide_in[i] = (int16_t)(extreme ? (below(2) ? INT16_MAX : INT16_MIN) : (int32_t)below(65536));
    }
    memset(wide_expected, MARK, sizeof(wide_expected));
    memset(wide_result, MARK, sizeof(wide_result));
    p.scale = any_scale(p.rows, false);
    p.weights = ANY_WEIGHTS;
    nnom_dense_x2_s16_plain(&p, wide_in + at, OUT(wide_expected, at));
    form(&p, wide_in + at, OUT(wide_result, at));
    return memcmp(wide_expected, wide_result, sizeof(wide_expected)) != 0;
}

static nnom_window_t any_pool(void)
{
    const uint32_t channels = any_channels();
    nnom_window_t w = any_window(channels, channels);
    w.dilation_x = w.dilation_y = 1;
    if (below(4) == 0) { /* global */
        w.kernel_x = w.in_x, w.kernel_y = w.in_y;
        w.out_x = w.out_y = 1;
        w.pad_x = w.pad_y = 0;
    }
    return w;
}

static bool pool(nnom_maxpool_s8_t *form, nnom_maxpool_s8_t *twin)
{
    const nnom_window_t w = any_pool();
    const uint32_t at = below(4);
    prepare();
    const int8_t *in = ANY_INPUT;
    twin(&w, in, OUT(expected, at));
    form(&w, in, OUT(result, at));
    return differ();
}

static bool maxpool_s8(nnom_maxpool_s8_t *form)
{
    return pool(form, nnom_maxpool_s8_plain);
}

static bool sumpool_s8(nnom_sumpool_s8_t *form)
{
    return pool(form, nnom_sumpool_s8_plain);
}

static bool avgpool_s8(nnom_avgpool_s8_t *form)
{
    const nnom_window_t w = any_pool();
    const uint32_t at = below(4);
    const int32_t shift = (int32_t)(below(2) ? 0 : below(4) ? below(4) : below(40)) - (below(16) == 0);
    prepare();
    const int8_t *in = ANY_INPUT;
    nnom_avgpool_s8_plain(&w, shift, in, OUT(expected, at));
    form(&w, shift, in, OUT(result, at));
    return differ();
}

/* of two operands; the result may lie where one of them does */
static bool of_two(nnom_add_s8_t *form, nnom_add_s8_t *twin)
{
    const uint32_t n = between(1, below(2) ? 40 : 600), at = below(4);
    const int32_t shift = (int32_t)(below(3) ? below(10) : below(31));
    prepare();
    const int8_t *a = ANY_INPUT, *b = ANY_INPUT + 1024;
    twin(a, b, OUT(expected, at), shift, n);
    if (below(3) == 0) {
        memcpy(OUT(result, at), a, n);
        a = OUT(result, at);
    } else if (below(2) == 0) {
        memcpy(OUT(result, at), b, n);
        b = OUT(result, at);
    }
    form(a, b, OUT(result, at), shift, n);
    return differ();
}

static bool add_s8(nnom_add_s8_t *form)
{
    return of_two(form, nnom_add_s8_plain);
}

static bool sub_s8(nnom_sub_s8_t *form)
{
    return of_two(form, nnom_sub_s8_plain);
}

static bool mult_s8(nnom_mult_s8_t *form)
{
    return of_two(form, nnom_mult_s8_plain);
}

static bool relu_s8(nnom_relu_s8_t *form)
{
    const uint32_t n = between(0, below(2) ? 40 : 600), at = below(4);
    prepare();
    memcpy(OUT(expected, at), ANY_INPUT, n);
    memcpy(OUT(result, at), OUT(expected, at), n);
    nnom_relu_s8_plain(OUT(expected, at), n);
    form(OUT(result, at), n);
    return differ();
}

static void prepare_wide(void)
{
    const bool extreme = below(3) == 0;
    for (uint32_t i = 0; i < DATA; i++) {
        wide_in[i] = (int16_t)(extreme ? (below(2) ? INT16_MAX : INT16_MIN) : (int32_t)below(65536));
    }
    memset(wide_expected, MARK, sizeof(wide_expected));
    memset(wide_result, MARK, sizeof(wide_result));
}

static bool differ_wide(void)
{
    return memcmp(wide_expected, wide_result, sizeof(wide_expected)) != 0;
}

/* the result may lie where the first operand does */
static bool add_s16(nnom_add_s16_t *form)
{
    const uint32_t n = between(1, MOST_ROWS), at = below(2);
    const int32_t shift = (int32_t)(below(3) ? below(4) : below(31));
    prepare_wide();
    const int16_t *a = wide_in + below(2), *b = wide_in + 1024 + below(2);
    nnom_add_s16_plain(a, b, OUT(wide_expected, at), shift, n);
    if (below(2) == 0) {
        memcpy(OUT(wide_result, at), a, n * sizeof(*a));
        a = OUT(wide_result, at);
    }
    form(a, b, OUT(wide_result, at), shift, n);
    return differ_wide();
}

static bool by_table_s16(nnom_sigmoid_s16_t *form, nnom_sigmoid_s16_t *twin)
{
    const uint32_t n = between(1, MOST_ROWS), at = below(2);
    const uint16_t int_width = (uint16_t)(below(3) ? below(6) : below(30) - 15);
    prepare_wide();
    memcpy(OUT(wide_expected, at), wide_in, n * sizeof(*wide_in));
    memcpy(OUT(wide_result, at), wide_in, n * sizeof(*wide_in));
    twin(OUT(wide_expected, at), n, int_width);
    form(OUT(wide_result, at), n, int_width);
    return differ_wide();
}

static bool sigmoid_s16(nnom_sigmoid_s16_t *form)
{
    return by_table_s16(form, nnom_sigmoid_s16_plain);
}

static bool tanh_s16(nnom_tanh_s16_t *form)
{
    return by_table_s16(form, nnom_tanh_s16_plain);
}

static bool gate_s16(nnom_gate_s16_t *form)
{
    const uint32_t n = between(1, MOST_ROWS), at = below(2);
    prepare_wide();
    const int16_t *a = wide_in + below(2), *b = wide_in + 1024 + below(2);
    nnom_gate_s16_plain(a, b, OUT(wide_expected, at), n);
    memcpy(OUT(wide_result, at), b, n * sizeof(*b));
    form(a, OUT(wide_result, at), OUT(wide_result, at), n);
    return differ_wide();
}

static bool blend_s16(nnom_blend_s16_t *form)
{
    const uint32_t n = between(1, MOST_ROWS), at = below(2);
    prepare_wide();
    int16_t *const z = wide_in + below(2);
    const int16_t *h = wide_in + 500, *g = wide_in + 1000;
    for (uint32_t k = 0; k < n; k++) {
        z[k] &= INT16_MAX;
    }
    nnom_blend_s16_plain(z, h, g, OUT(wide_expected, at), n);
    form(z, h, g, OUT(wide_result, at), n);
    return differ_wide();
}

static bool state_s16(nnom_state_s16_t *form)
{
    const uint32_t n = between(1, MOST_ROWS), at = below(2);
    const int32_t shift = (int32_t)(below(3) ? between(10, 20) : below(31));
    prepare_wide();
    const int16_t *i = wide_in + below(2), *g = wide_in + 500, *f = wide_in + 1000;
    const int16_t *c = wide_in + 1500;
    nnom_state_s16_plain(i, g, f, c, shift, OUT(wide_expected, at), n);
    memcpy(OUT(wide_result, at), c, n * sizeof(*c));
    form(i, g, f, OUT(wide_result, at), shift, OUT(wide_result, at), n);
    return differ_wide();
}

static nnom_conv_scratch_t *query_of(const char *row)
{
#define NNOM_KERNEL(operation, form, needs)
#define NNOM_SCRATCH(operation, form, needs)                                                       \
    if (needs && strcmp(row, #operation #form) == 0) {                                             \
        return nnom_##operation##_##form##_scratch;                                                \
    }
#include "../../firmware/nnom/src/kernels/kernels.inc"
#undef NNOM_KERNEL
#undef NNOM_SCRATCH
    return NULL;
}

/* the form is not asked for where the core has none */
#define NNOM_SCRATCH(operation, form, needs)
#define NNOM_KERNEL(operation, form, needs)                                                        \
    if (needs) {                                                                                   \
        uint32_t different = 0;                                                                    \
        scratch_query = query_of(#operation #form);                                                \
        state = 1;                                                                                 \
        for (uint32_t i = 0; i < CASES; i++) {                                                     \
            different += operation(nnom_##operation##_##form);                                     \
        }                                                                                          \
        printf("%s %s %d %d\n", #operation, #form, (int)CASES, (int)different);                    \
    }

int main(void)
{
#ifdef __arm__
    console_init();
#endif
#include "../../firmware/nnom/src/kernels/kernels.inc"
    printf("finished\n");
    return 0;
}
