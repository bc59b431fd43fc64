/* SPDX-License-Identifier: Apache-2.0
 * Convolutions over any layout and element width: channel-first data, 16-bit data and transposed
 * convolution. */
#include "../requantise.h"

/* Elements from one row, column, channel (and filter) to the next. */
typedef struct {
    int32_t y, x, c, f;
} step_t;

typedef struct {
    const nnom_conv_t *p;
    int32_t channels, filters, multiplier; /* multiplier 0: every filter sees every channel */
    step_t in, weight, out;
    bool wide; /* int16 data */
} conv_t;

static int32_t get(const conv_t *k, const void *in, int32_t i)
{
    return k->wide ? ((const int16_t *)in)[i] : ((const int8_t *)in)[i];
}

/* Sums have 64 bits: 65535 x 255 taps of 16-bit data stay far below 2^63. */
static void put(const conv_t *k, void *out, int32_t i, int32_t f, int64_t sum)
{
    const nnom_scale_t *s = &k->p->scale;
    if (k->wide) {
        ((int16_t *)out)[i] = nnom_finish_s16(s, (uint32_t)f, sum);
    } else { /* from 32 bits too */
        const int64_t value = sum >> nnom_out_shift(s, (uint32_t)f);
        const int8_t narrow = nnom_sat_s8((int32_t)(uint32_t)(uint64_t)value);
        ((int8_t *)out)[i] = s->relu && narrow < 0 ? 0 : narrow;
    }
}

/* Channels of one tap of filter f: the data's cell is at i, the weight's at `at`. */
static int64_t tap(const conv_t *k, const void *in, int32_t i, const int8_t *weight, int32_t at,
                   int32_t f)
{
    if (k->multiplier != 0) {
        return get(k, in, i + f / k->multiplier * k->in.c) * weight[at];
    }
    int64_t sum = 0;
    for (int32_t c = 0; c < k->channels; c++) {
        sum += get(k, in, i + c * k->in.c) * weight[at + c * k->weight.c];
    }
    return sum;
}

static int64_t window(const conv_t *k, const void *in, const int8_t *weight, int32_t oy, int32_t ox,
                      int32_t f)
{
    const nnom_window_t *w = &k->p->window;
    int64_t sum = nnom_start_wide(&k->p->scale, (uint32_t)f);
    for (int32_t m = 0; m < w->kernel_y; m++) {
        const int32_t y = oy * w->stride_y + m * w->dilation_y - w->pad_y;
        for (int32_t n = 0; n < w->kernel_x && y >= 0 && y < w->in_y; n++) {
            const int32_t x = ox * w->stride_x + n * w->dilation_x - w->pad_x;
            if (x >= 0 && x < w->in_x) {
                sum += tap(k, in, y * k->in.y + x * k->in.x, weight,
                           f * k->weight.f + m * k->weight.y + n * k->weight.x, f);
            }
        }
    }
    return sum;
}

/* Keras' transposed convolution, gathered per output: tap m of the kernel brings input row
 * (oy + pad - m * dilation) / stride where that divides. */
static int64_t transposed_window(const conv_t *k, const void *in, const int8_t *weight, int32_t oy,
                                 int32_t ox, int32_t f)
{
    const nnom_window_t *w = &k->p->window;
    int64_t sum = nnom_start_wide(&k->p->scale, (uint32_t)f);
    for (int32_t m = 0; m < w->kernel_y; m++) {
        const int32_t y = oy + w->pad_y - m * w->dilation_y;
        if (y < 0 || y % w->stride_y != 0 || y / w->stride_y >= w->in_y) {
            continue;
        }
        for (int32_t n = 0; n < w->kernel_x; n++) {
            const int32_t x = ox + w->pad_x - n * w->dilation_x;
            if (x < 0 || x % w->stride_x != 0 || x / w->stride_x >= w->in_x) {
                continue;
            }
            sum += tap(k, in, y / w->stride_y * k->in.y + x / w->stride_x * k->in.x, weight,
                       f * k->weight.f + m * k->weight.y + n * k->weight.x, f);
        }
    }
    return sum;
}

typedef int64_t (*sum_fn)(const conv_t *, const void *, const int8_t *, int32_t, int32_t, int32_t);

static void run(const conv_t *k, const void *in, void *out, sum_fn sum_of)
{
    const nnom_window_t *w = &k->p->window;
    for (int32_t y = 0; y < w->out_y; y++) {
        for (int32_t x = 0; x < w->out_x; x++) {
            for (int32_t f = 0; f < k->filters; f++) {
                put(k, out, y * k->out.y + x * k->out.x + f * k->out.c, f,
                    sum_of(k, in, k->p->weights, y, x, f));
            }
        }
    }
}

/* ---- layouts ----------------------------------------------------------------------------------- */

static conv_t in_hwc(const nnom_conv_t *p, bool wide)
{
    const nnom_window_t *w = &p->window;
    const int32_t c = w->channels, f = p->filters;
    const conv_t k = {p, c, f, 0, {w->in_x * c, c, 1, 0}, {0, 0, 0, 0}, {w->out_x * f, f, 1, 0}, wide};
    return k;
}

static conv_t in_chw(const nnom_conv_t *p, bool wide)
{
    const nnom_window_t *w = &p->window;
    const conv_t k = {p,
                      w->channels,
                      p->filters,
                      0,
                      {w->in_x, 1, w->in_x * w->in_y, 0},
                      {0, 0, 0, 0},
                      {w->out_x, 1, w->out_x * w->out_y, 0},
                      wide};
    return k;
}

/* [filter][y][x][channel] */
static void filters_outside(conv_t *k)
{
    const nnom_window_t *w = &k->p->window;
    const step_t step = {w->kernel_x * k->channels, k->channels, 1,
                         w->kernel_y * w->kernel_x * k->channels};
    k->weight = step;
}

/* [y][x][channel][filter], Keras' own order */
static void filters_inside(conv_t *k)
{
    const step_t step = {k->p->window.kernel_x * k->channels * k->filters,
                         k->channels * k->filters, k->filters, 1};
    k->weight = step;
}

/* [y][x][filter] */
static void filters_alone(conv_t *k)
{
    const step_t step = {k->p->window.kernel_x * k->filters, k->filters, k->filters, 1};
    k->weight = step;
    k->multiplier = k->filters / k->channels;
}

/* [y][x][filter][channel]: Keras' order of transposed kernels */
static void filters_before_channels(conv_t *k)
{
    const step_t step = {k->p->window.kernel_x * k->channels * k->filters,
                         k->channels * k->filters, 1, k->channels};
    k->weight = step;
}

/* ---- kernels ----------------------------------------------------------------------------------- */

#define KERNEL(name, T, layout, wide, order, sum_of)                 \
    void nnom_##name(const nnom_conv_t *p, const T *in, T *out)      \
    {                                                                \
        conv_t k = layout(p, wide);                                  \
        order(&k);                                                   \
        run(&k, in, out, sum_of);                                    \
    }

KERNEL(conv_s16, int16_t, in_hwc, true, filters_outside, window)
KERNEL(conv_chw_s8, int8_t, in_chw, false, filters_inside, window)
KERNEL(conv_chw_s16, int16_t, in_chw, true, filters_inside, window)
KERNEL(depthwise_s16, int16_t, in_hwc, true, filters_alone, window)
KERNEL(depthwise_chw_s8, int8_t, in_chw, false, filters_alone, window)
KERNEL(depthwise_chw_s16, int16_t, in_chw, true, filters_alone, window)
KERNEL(conv_trans_s16, int16_t, in_hwc, true, filters_outside, transposed_window)
KERNEL(conv_trans_chw_s8, int8_t, in_chw, false, filters_before_channels, transposed_window)
KERNEL(conv_trans_chw_s16, int16_t, in_chw, true, filters_before_channels, transposed_window)
