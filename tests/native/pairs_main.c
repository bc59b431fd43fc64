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
#define MOST_FILTERS 40

static int8_t data_in[DATA + 8], weights[8 * DATA + 8], bias[DATA];
static int8_t expected[DATA + 2 * MARGIN], result[DATA + 2 * MARGIN];
static int32_t bias_shift[MOST_FILTERS], out_shift[MOST_FILTERS];
static uint32_t state;

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
                                may_be_per_channel && below(2)};
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
    return below(4) ? between(1, 17) : between(1, MOST_FILTERS);
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

static bool run_both(const nnom_conv_t *p, nnom_conv_s8_t *form, nnom_conv_s8_t *twin)
{
    const int8_t *in = ANY_INPUT;
    const uint32_t at = below(4);
    twin(p, in, OUT(expected, at));
    form(p, in, OUT(result, at));
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
    return run_both(&p, form, nnom_conv_s8_plain);
}

static bool depthwise_s8(nnom_depthwise_s8_t *form)
{
    const uint32_t channels = between(1, 17);
    nnom_conv_t p = {.filters = (uint16_t)(channels * between(1, 2))};
    prepare();
    p.window = any_window(channels, p.filters);
    p.scale = any_scale(p.filters, true);
    p.weights = ANY_WEIGHTS;
    p.pad_value = (int8_t)(below(2) ? 0 : below(256));
    return run_both(&p, form, nnom_depthwise_s8_plain);
}

static bool dense(nnom_dense_s8_t *form, nnom_dense_s8_t *twin, bool may_be_per_channel)
{
    nnom_dense_t p = {.columns = (uint16_t)between(1, 300),
                      .rows = (uint16_t)between(1, MOST_FILTERS)};
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

static bool maxpool_s8(nnom_maxpool_s8_t *form)
{
    const uint32_t channels = any_channels(), at = below(4);
    nnom_window_t w = any_window(channels, channels);
    w.dilation_x = w.dilation_y = 1;
    prepare();
    const int8_t *in = ANY_INPUT;
    nnom_maxpool_s8_plain(&w, in, OUT(expected, at));
    form(&w, in, OUT(result, at));
    return differ();
}

/* the form is not asked for where the core has none */
#define NNOM_KERNEL(operation, form, needs)                                                        \
    if (needs) {                                                                                   \
        uint32_t different = 0;                                                                    \
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
