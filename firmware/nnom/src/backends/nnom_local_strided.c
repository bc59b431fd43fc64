/* SPDX-License-Identifier: Apache-2.0
 * Convolutions over any layout and element width: the plain kernels behind channel-first data,
 * 16-bit data and transposed convolution. nnom_local_conv.c has the fast ones for HWC int8. */
#include "nnom.h"

/* Elements from one row, column, channel (and filter) to the next. */
typedef struct {
    int32_t y, x, c, f;
} step_t;

typedef struct {
    int32_t in_x, in_y, channels;
    int32_t filters, multiplier; /* multiplier 0: every filter sees every channel */
    int32_t kernel_x, kernel_y, pad_x, pad_y, stride_x, stride_y, dilation_x, dilation_y;
    int32_t out_x, out_y;
    step_t in, weight, out;
    const q7_t *bias;
    const nnom_qformat_param_t *bias_shift, *out_shift;
    bool per_axis, wide; /* wide: int16 data */
} conv_t;

static int32_t get(const conv_t *k, const void *in, int32_t i)
{
    return k->wide ? ((const q15_t *)in)[i] : ((const q7_t *)in)[i];
}

/* 64 bits: 65535 x 255 taps of 16-bit data stay far below 2^63 */
static int64_t start_value(const conv_t *k, int32_t f)
{
    const int32_t axis = k->per_axis ? f : 0;
    const int64_t round = NNOM_ROUND(k->out_shift[axis]);
    return k->bias == NULL ? round
                           : (int64_t)k->bias[f] * ((int64_t)1 << k->bias_shift[axis]) + round;
}

static void put(const conv_t *k, void *out, int32_t i, int32_t f, int64_t sum)
{
    const int64_t value = sum >> k->out_shift[k->per_axis ? f : 0];
    if (k->wide) {
        /* NNoM narrows to 32 bits before it saturates */
        ((q15_t *)out)[i] = (q15_t)__NNOM_SSAT((int32_t)(uint32_t)(uint64_t)value, 16);
    } else {
        ((q7_t *)out)[i] = (q7_t)__NNOM_SSAT((int32_t)(uint32_t)(uint64_t)value, 8);
    }
}

/* Channels of one tap of filter f: the data's cell is at i, the weight's at w. */
static int64_t tap(const conv_t *k, const void *in, int32_t i, const q7_t *weight, int32_t w,
                   int32_t f)
{
    if (k->multiplier != 0) {
        return get(k, in, i + f / k->multiplier * k->in.c) * weight[w];
    }
    int64_t sum = 0;
    for (int32_t c = 0; c < k->channels; c++) {
        sum += get(k, in, i + c * k->in.c) * weight[w + c * k->weight.c];
    }
    return sum;
}

static int64_t window(const conv_t *k, const void *in, const q7_t *weight, int32_t oy, int32_t ox,
                      int32_t f)
{
    int64_t sum = start_value(k, f);
    for (int32_t m = 0; m < k->kernel_y; m++) {
        const int32_t y = oy * k->stride_y + m * k->dilation_y - k->pad_y;
        for (int32_t n = 0; n < k->kernel_x && y >= 0 && y < k->in_y; n++) {
            const int32_t x = ox * k->stride_x + n * k->dilation_x - k->pad_x;
            if (x >= 0 && x < k->in_x) {
                sum += tap(k, in, y * k->in.y + x * k->in.x, weight,
                           f * k->weight.f + m * k->weight.y + n * k->weight.x, f);
            }
        }
    }
    return sum;
}

/* Keras' transposed convolution, gathered per output: tap m of the kernel brings input row
 * (oy + pad - m * dilation) / stride where that divides. */
static int64_t transposed_window(const conv_t *k, const void *in, const q7_t *weight, int32_t oy,
                                 int32_t ox, int32_t f)
{
    int64_t sum = start_value(k, f);
    for (int32_t m = 0; m < k->kernel_y; m++) {
        const int32_t y = oy + k->pad_y - m * k->dilation_y;
        if (y < 0 || y % k->stride_y != 0 || y / k->stride_y >= k->in_y) {
            continue;
        }
        for (int32_t n = 0; n < k->kernel_x; n++) {
            const int32_t x = ox + k->pad_x - n * k->dilation_x;
            if (x < 0 || x % k->stride_x != 0 || x / k->stride_x >= k->in_x) {
                continue;
            }
            sum += tap(k, in, y / k->stride_y * k->in.y + x / k->stride_x * k->in.x, weight,
                       f * k->weight.f + m * k->weight.y + n * k->weight.x, f);
        }
    }
    return sum;
}

typedef int64_t (*window_fn)(const conv_t *, const void *, const q7_t *, int32_t, int32_t, int32_t);

static void run(const conv_t *k, const void *in, const q7_t *weight, void *out, window_fn sum_of)
{
    for (int32_t y = 0; y < k->out_y; y++) {
        for (int32_t x = 0; x < k->out_x; x++) {
            for (int32_t f = 0; f < k->filters; f++) {
                put(k, out, y * k->out.y + x * k->out.x + f * k->out.c, f,
                    sum_of(k, in, weight, y, x, f));
            }
        }
    }
}

static step_t hwc(int32_t x, int32_t c)
{
    const step_t step = {x * c, c, 1, 0};
    return step;
}

static step_t chw(int32_t y, int32_t x)
{
    const step_t step = {x, 1, x * y, 0};
    return step;
}

/* The arguments that every kernel has, under the names of nnom_local.h. */
#define GEOMETRY(is_wide)                                                                       \
    conv_t k = {.in_x = dim_im_in_x, .in_y = dim_im_in_y, .channels = ch_im_in,                 \
                .filters = ch_im_out, .kernel_x = dim_kernel_x, .kernel_y = dim_kernel_y,       \
                .pad_x = padding_x, .pad_y = padding_y, .stride_x = stride_x,                   \
                .stride_y = stride_y, .dilation_x = dilation_x, .dilation_y = dilation_y,       \
                .out_x = dim_im_out_x, .out_y = dim_im_out_y, .bias = bias, .wide = (is_wide)};  \
    (void)bufferA;                                                                              \
    (void)bufferB

#define SHIFTS()                                   \
    k.bias_shift = bias_shift;                     \
    k.out_shift = out_shift;                       \
    k.per_axis = q_type == NNOM_QTYPE_PER_AXIS

#define LAYOUT_HWC()                  \
    k.in = hwc(k.in_x, k.channels);   \
    k.out = hwc(k.out_x, k.filters)
#define LAYOUT_CHW()                 \
    k.in = chw(k.in_y, k.in_x);      \
    k.out = chw(k.out_y, k.out_x)

/* [filter][y][x][channel] */
static step_t filters_outside(const conv_t *k)
{
    const step_t step = {k->kernel_x * k->channels, k->channels, 1,
                         k->kernel_y * k->kernel_x * k->channels};
    return step;
}

/* [y][x][channel][filter], Keras' own order; a depthwise kernel has one channel a filter */
static step_t filters_inside(const conv_t *k, int32_t channels)
{
    const step_t step = {k->kernel_x * channels * k->filters, channels * k->filters, k->filters, 1};
    return step;
}

void local_convolve_HWC_q15_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q15_t))
{
    GEOMETRY(true);
    SHIFTS();
    LAYOUT_HWC();
    k.weight = filters_outside(&k);
    run(&k, Im_in, wt, Im_out, window);
}

void local_convolve_CHW_q7_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q7_t))
{
    GEOMETRY(false);
    SHIFTS();
    LAYOUT_CHW();
    k.weight = filters_inside(&k, ch_im_in);
    run(&k, Im_in, wt, Im_out, window);
}

void local_convolve_CHW_q15_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q15_t))
{
    GEOMETRY(true);
    SHIFTS();
    LAYOUT_CHW();
    k.weight = filters_inside(&k, ch_im_in);
    run(&k, Im_in, wt, Im_out, window);
}

void local_depthwise_separable_conv_HWC_q15_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q15_t))
{
    GEOMETRY(true);
    SHIFTS();
    LAYOUT_HWC();
    k.multiplier = ch_im_out / ch_im_in;
    k.weight = filters_inside(&k, 1);
    run(&k, Im_in, wt, Im_out, window);
}

void local_depthwise_separable_conv_CHW_q7_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q7_t))
{
    GEOMETRY(false);
    SHIFTS();
    LAYOUT_CHW();
    k.multiplier = ch_im_out / ch_im_in;
    k.weight = filters_inside(&k, 1);
    run(&k, Im_in, wt, Im_out, window);
}

void local_depthwise_separable_conv_CHW_q15_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q15_t))
{
    GEOMETRY(true);
    SHIFTS();
    LAYOUT_CHW();
    k.multiplier = ch_im_out / ch_im_in;
    k.weight = filters_inside(&k, 1);
    run(&k, Im_in, wt, Im_out, window);
}

void nnom_conv_trans_HWC_q7(NNOM_PADDED_ARGUMENTS(q7_t))
{
    (void)pad_value;
    GEOMETRY(false);
    SHIFTS();
    LAYOUT_HWC();
    k.weight = filters_outside(&k);
    run(&k, Im_in, wt, Im_out, transposed_window);
}

void nnom_conv_trans_HWC_q15(NNOM_CONVOLVE_ARGUMENTS(q15_t))
{
    GEOMETRY(true);
    SHIFTS();
    LAYOUT_HWC();
    k.weight = filters_outside(&k);
    run(&k, Im_in, wt, Im_out, transposed_window);
}

/* [y][x][filter][channel]: Keras' order of transposed kernels */
static step_t filters_before_channels(const conv_t *k)
{
    const step_t step = {k->kernel_x * k->channels * k->filters, k->channels * k->filters, 1,
                         k->channels};
    return step;
}

void nnom_conv_trans_CHW_q7(NNOM_CONVOLVE_ARGUMENTS(q7_t))
{
    GEOMETRY(false);
    SHIFTS();
    LAYOUT_CHW();
    k.weight = filters_before_channels(&k);
    run(&k, Im_in, wt, Im_out, transposed_window);
}

void nnom_conv_trans_CHW_q15(NNOM_CONVOLVE_ARGUMENTS(q15_t))
{
    GEOMETRY(true);
    SHIFTS();
    LAYOUT_CHW();
    k.weight = filters_before_channels(&k);
    run(&k, Im_in, wt, Im_out, transposed_window);
}

void local_conv_trans_HWC_q7_nonsquare(NNOM_CONV_TRANS_ARGUMENTS(q7_t))
{
    const nnom_qformat_param_t b = bias_shift, o = out_shift;
    GEOMETRY(false);
    k.bias_shift = &b;
    k.out_shift = &o;
    LAYOUT_HWC();
    k.weight = filters_outside(&k);
    run(&k, Im_in, wt, Im_out, transposed_window);
}

void local_conv_trans_HWC_q15_nonsquare(NNOM_CONV_TRANS_ARGUMENTS(q15_t))
{
    const nnom_qformat_param_t b = bias_shift, o = out_shift;
    GEOMETRY(true);
    k.bias_shift = &b;
    k.out_shift = &o;
    LAYOUT_HWC();
    k.weight = filters_outside(&k);
    run(&k, Im_in, wt, Im_out, transposed_window);
}
