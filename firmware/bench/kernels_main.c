/* SPDX-License-Identifier: Apache-2.0
 * Kernels to be counted: each case is run once, from one mark to the next. Prints a line
 * "NAME WORK UNIT SCRATCH" for each, WORK in MACs or results. What runs is the form that the
 * library's dispatch chose. */
#include <stdio.h>

#ifdef BENCH_LOCAL
#include "bench/local_kernels.h"
#else
#include "kernels/kernels.h"
#endif
#include "platform/platform.h"

#define MOST_IN 10368
#define MOST_OUT 16384
#define MOST_PAIRS 4096 /* of elements that are added */
#define MOST_WEIGHTS (2592 * 64)
#define MOST_CHANNELS 96
#define MOST_WIDE 1024

static int8_t in[MOST_IN], other[MOST_PAIRS], out[MOST_OUT];
static int16_t wide_in[MOST_WIDE], wide_out[MOST_CHANNELS];
/* in flash, as a model's are; no kernel's count depends on their values */
static const int8_t weights[MOST_WEIGHTS] = {[0 ... MOST_WEIGHTS - 1] = 37};
static int8_t bias[MOST_CHANNELS];
static int32_t bias_shift[MOST_CHANNELS], out_shift[MOST_CHANNELS];
static uint64_t scratch[2048];
static uint32_t state = 1;

/* The counter's plugin looks for this function. */
void bench_mark(void);
__attribute__((noinline)) void bench_mark(void)
{
    __asm__ volatile("");
}

static int8_t random_byte(void)
{
    state = state * 1664525u + 1013904223u;
    return (int8_t)(state >> 24);
}

static void prepare(void)
{
    for (uint32_t i = 0; i < MOST_IN; i++) {
        in[i] = random_byte();
    }
    for (uint32_t i = 0; i < MOST_PAIRS; i++) {
        other[i] = random_byte();
    }
    for (uint32_t i = 0; i < MOST_WIDE; i++) {
        wide_in[i] = (int16_t)(random_byte() * 256 + random_byte());
    }
    for (uint32_t i = 0; i < MOST_CHANNELS; i++) {
        bias[i] = random_byte();
        bias_shift[i] = 3;
        out_shift[i] = 9;
    }
}

static void report(const char *name, uint32_t work, const char *unit, size_t bytes)
{
    if (bytes > sizeof(scratch)) {
        printf("FAULT %s wants %d bytes of scratch\n", name, (int)bytes);
    }
    printf("%s %d %s %d\n", name, (int)work, unit, (int)bytes);
}

#define COUNT(call)                                                                                \
    do {                                                                                           \
        bench_mark();                                                                              \
        call;                                                                                      \
        bench_mark();                                                                              \
    } while (0)

typedef struct {
    uint16_t y, x, channels, filters, kernel_y, kernel_x, stride, dilation;
    bool same, per_channel, relu;
} shape_t;

static uint16_t out_size(uint16_t size, uint16_t kernel, const shape_t *s)
{
    const int32_t reach = (kernel - 1) * s->dilation + 1;
    return (uint16_t)(((s->same ? size : size - reach + 1) + s->stride - 1) / s->stride);
}

static uint16_t pad_of(uint16_t size, uint16_t results, uint16_t kernel, const shape_t *s)
{
    const int32_t reach = (results - 1) * s->stride + (kernel - 1) * s->dilation + 1;
    return (uint16_t)(s->same && reach > size ? (reach - size) / 2 : 0);
}

static nnom_conv_t conv_of(const shape_t *s)
{
    nnom_conv_t p = {
        .window = {.in_x = s->x, .in_y = s->y, .channels = s->channels, .kernel_x = s->kernel_x,
                   .kernel_y = s->kernel_y, .stride_x = s->stride, .stride_y = s->stride,
                   .dilation_x = s->dilation, .dilation_y = s->dilation},
        .scale = {bias, bias_shift, out_shift, s->per_channel, s->relu},
        .weights = weights,
        .scratch = scratch,
        .filters = s->filters,
    };
    p.window.out_x = out_size(s->x, s->kernel_x, s);
    p.window.out_y = out_size(s->y, s->kernel_y, s);
    p.window.pad_x = pad_of(s->x, p.window.out_x, s->kernel_x, s);
    p.window.pad_y = pad_of(s->y, p.window.out_y, s->kernel_y, s);
    return p;
}

static uint32_t outputs_of(const nnom_conv_t *p)
{
    return (uint32_t)p->window.out_x * p->window.out_y * p->filters;
}

static uint32_t taps_of(const shape_t *s)
{
    return (uint32_t)s->kernel_x * s->kernel_y;
}

static void conv(const char *name, shape_t s)
{
    const nnom_conv_t p = conv_of(&s);
    COUNT(nnom_conv_s8(&p, in, out));
    report(name, outputs_of(&p) * taps_of(&s) * s.channels, "MAC", nnom_conv_s8_scratch(&p));
}

/* without what it asks for, as NNoM's local_* functions call it */
static void conv_bare(const char *name, shape_t s)
{
    nnom_conv_t p = conv_of(&s);
    p.scratch = NULL;
    COUNT(nnom_conv_s8(&p, in, out));
    report(name, outputs_of(&p) * taps_of(&s) * s.channels, "MAC", 0);
}

static void depthwise(const char *name, shape_t s)
{
    const nnom_conv_t p = conv_of(&s);
    COUNT(nnom_depthwise_s8(&p, in, out));
    report(name, outputs_of(&p) * taps_of(&s), "MAC", nnom_depthwise_s8_scratch(&p));
}

#ifndef BENCH_LEAVES_OUT
/* around data whose zero is not 0, as behind a ReLU */
static void conv_around(const char *name, shape_t s)
{
    nnom_conv_t p = conv_of(&s);
    p.pad_value = INT8_MIN;
    COUNT(nnom_conv_s8(&p, in, out));
    report(name, outputs_of(&p) * taps_of(&s) * s.channels, "MAC", nnom_conv_s8_scratch(&p));
}

static void depthwise_around(const char *name, shape_t s)
{
    nnom_conv_t p = conv_of(&s);
    p.pad_value = INT8_MIN;
    COUNT(nnom_depthwise_s8(&p, in, out));
    report(name, outputs_of(&p) * taps_of(&s), "MAC", nnom_depthwise_s8_scratch(&p));
}
#endif

/* each cell of the input gives kernel x kernel cells, the rim is cut */
static void transposed(const char *name, shape_t s)
{
    nnom_conv_t p = conv_of(&s);
    p.window.out_x = (uint16_t)(s.x * s.stride);
    p.window.out_y = (uint16_t)(s.y * s.stride);
    p.window.pad_x = (uint16_t)((s.kernel_x - s.stride) / 2);
    p.window.pad_y = (uint16_t)((s.kernel_y - s.stride) / 2);
    COUNT(nnom_conv_trans_s8(&p, in, out));
    report(name, (uint32_t)s.x * s.y * s.filters * taps_of(&s) * s.channels, "MAC", 0);
}

static void dense(const char *name, nnom_dense_s8_t *kernel, uint16_t columns, uint16_t rows)
{
    const nnom_dense_t p = {{bias, bias_shift, out_shift, false, true}, weights, columns, rows,
                            scratch};
    COUNT(kernel(&p, in, out));
    report(name, (uint32_t)columns * rows, "MAC", NNOM_DENSE_SCRATCH(columns, rows));
}

static void recurrent(const char *name, uint16_t columns, uint16_t rows)
{
    const nnom_dense_t p = {{bias, bias_shift, out_shift, false, false}, weights, columns, rows,
                            NULL};
    COUNT(nnom_dense_x2_s16(&p, wide_in, wide_out));
    report(name, (uint32_t)columns * rows, "MAC", 0);
}

static nnom_window_t pool_of(const shape_t *s)
{
    nnom_conv_t p = conv_of(s);
    return p.window;
}

static uint32_t pooled(const nnom_window_t *w)
{
    return (uint32_t)w->out_x * w->out_y * w->channels;
}

static void max_pool(const char *name, shape_t s)
{
    const nnom_window_t w = pool_of(&s);
    COUNT(nnom_maxpool_s8(&w, in, out));
    report(name, pooled(&w), "result", 0);
}

static void average_pool(const char *name, shape_t s)
{
    const nnom_window_t w = pool_of(&s);
    COUNT(nnom_avgpool_s8(&w, 0, in, out));
    report(name, pooled(&w), "result", 0);
}

#ifndef BENCH_LEAVES_OUT
static void sum_pool(const char *name, shape_t s)
{
    const nnom_window_t w = pool_of(&s);
    COUNT(nnom_sumpool_s8(&w, in, out));
    report(name, pooled(&w), "result", 0);
}
#endif

static void of_two(const char *name, nnom_add_s8_t *kernel, uint32_t n)
{
    COUNT(kernel(in, other, out, 1, n));
    report(name, n, "result", 0);
}

#define SAME true
#define VALID false

int main(void)
{
    console_init();
    prepare();
    /* {y, x, channels, filters, kernel y, x, stride, dilation, padding, per channel, ReLU} */
    conv("conv_28x28x1_12", (shape_t){28, 28, 1, 12, 3, 3, 1, 1, SAME, false, true});
    conv("conv_11x7x12_24", (shape_t){11, 7, 12, 24, 3, 3, 1, 1, SAME, false, true});
    conv("conv_6x9x24_24", (shape_t){6, 9, 24, 24, 3, 3, 1, 1, SAME, false, true});
    conv("conv_12x18x24_48", (shape_t){12, 18, 24, 48, 3, 3, 1, 1, SAME, false, true});
    conv("conv_12x18x24_48_per_channel", (shape_t){12, 18, 24, 48, 3, 3, 1, 1, SAME, true, false});
    conv("conv_16x16x16_16_stride_2", (shape_t){16, 16, 16, 16, 3, 3, 2, 1, SAME, false, true});
    conv("conv_16x16x16_16_dilation_2", (shape_t){16, 16, 16, 16, 3, 3, 1, 2, SAME, false, true});
    conv("conv_16x16x16_16_5x5", (shape_t){16, 16, 16, 16, 5, 5, 1, 1, VALID, false, true});
    conv("conv_32x32x3_16", (shape_t){32, 32, 3, 16, 3, 3, 1, 1, SAME, false, true});
    conv("conv_1x128x9_32_1x9", (shape_t){1, 128, 9, 32, 1, 9, 1, 1, SAME, false, true});
    conv("conv_49x10x1_64_10x4_stride_2", (shape_t){49, 10, 1, 64, 10, 4, 2, 1, SAME, false, true});
    conv("conv_1x1_16x16x32_32", (shape_t){16, 16, 32, 32, 1, 1, 1, 1, VALID, false, true});
    conv("conv_1x1_8x8x64_64", (shape_t){8, 8, 64, 64, 1, 1, 1, 1, VALID, false, true});
    conv("conv_1x1_8x8x7_5", (shape_t){8, 8, 7, 5, 1, 1, 1, 1, VALID, false, true});
    conv_bare("conv_6x9x24_24_bare", (shape_t){6, 9, 24, 24, 3, 3, 1, 1, SAME, false, true});
    conv_bare("conv_28x28x1_12_bare", (shape_t){28, 28, 1, 12, 3, 3, 1, 1, SAME, false, true});
    depthwise("depthwise_16x16x32", (shape_t){16, 16, 32, 32, 3, 3, 1, 1, SAME, false, true});
    depthwise("depthwise_8x8x64", (shape_t){8, 8, 64, 64, 3, 3, 1, 1, SAME, false, true});
    depthwise("depthwise_16x16x32_stride_2", (shape_t){16, 16, 32, 32, 3, 3, 2, 1, SAME, false, true});
    depthwise("depthwise_25x5x64_5x5", (shape_t){25, 5, 64, 64, 5, 5, 1, 1, SAME, false, true});
    depthwise("depthwise_16x16x16_times_2", (shape_t){16, 16, 16, 32, 3, 3, 1, 1, SAME, false, true});
    transposed("transposed_8x8x16_16_3x3_stride_2", (shape_t){8, 8, 16, 16, 3, 3, 2, 1, SAME, false, true});
    dense("dense_2592_64", nnom_dense_s8, 2592, 64);
    dense("dense_x4_2592_64", nnom_dense_x4_s8, 2592, 64);
    dense("dense_64_10", nnom_dense_s8, 64, 10);
    dense("dense_x4_64_10", nnom_dense_x4_s8, 64, 10);
    recurrent("recurrent_64_96", 64, 96);
    recurrent("recurrent_24_72", 24, 72);
    recurrent("recurrent_9_64", 9, 64);
    max_pool("maxpool_12x18x48", (shape_t){12, 18, 48, 48, 2, 2, 2, 1, VALID, false, false});
    max_pool("maxpool_28x28x12", (shape_t){28, 28, 12, 12, 2, 2, 2, 1, VALID, false, false});
    max_pool("maxpool_11x7x24_4x4", (shape_t){11, 7, 24, 24, 4, 4, 4, 1, VALID, false, false});
    max_pool("maxpool_16x16x16_3x3_same", (shape_t){16, 16, 16, 16, 3, 3, 2, 1, SAME, false, false});
    average_pool("avgpool_12x18x48", (shape_t){12, 18, 48, 48, 2, 2, 2, 1, VALID, false, false});
    average_pool("global_avgpool_8x8x64", (shape_t){8, 8, 64, 64, 8, 8, 1, 1, VALID, false, false});
    of_two("add_4096", nnom_add_s8, MOST_PAIRS);
    of_two("sub_4096", nnom_sub_s8, MOST_PAIRS);
    of_two("mult_4096", nnom_mult_s8, MOST_PAIRS);
    COUNT(nnom_relu_s8(in, 4096));
    report("relu_4096", 4096, "result", 0);
    COUNT(nnom_sigmoid_s8(in, 4096, 4));
    report("sigmoid_4096", 4096, "result", 0);
    COUNT(nnom_softmax_base_two_s8(in, 10, out));
    report("softmax_base_two_10", 10, "result", 0);
#ifndef BENCH_LEAVES_OUT
    conv_around("conv_6x9x24_24_pad_value", (shape_t){6, 9, 24, 24, 3, 3, 1, 1, SAME, false, true});
    depthwise_around("depthwise_16x16x32_pad_value", (shape_t){16, 16, 32, 32, 3, 3, 1, 1, SAME, false, true});
    depthwise_around("depthwise_4x4x64_pad_value", (shape_t){4, 4, 64, 64, 3, 3, 1, 1, SAME, false, true});
    sum_pool("sumpool_12x18x48", (shape_t){12, 18, 48, 48, 2, 2, 2, 1, VALID, false, false});
    COUNT(nnom_copy_rows(in, 12, out, 24, 12, 400));
    report("concat_20x20x12", 20 * 20 * 12, "result", 0);
    COUNT(nnom_sigmoid_s16(wide_in, 1024, 4));
    report("sigmoid_s16_1024", 1024, "result", 0);
    COUNT(nnom_tanh_s16(wide_in, 1024, 4));
    report("tanh_s16_1024", 1024, "result", 0);
    COUNT(nnom_softmax_s8(in, 10, 4, out));
    report("softmax_10", 10, "result", 0);
#endif
    printf("finished\n");
    return 0;
}
