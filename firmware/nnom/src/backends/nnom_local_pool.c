/* SPDX-License-Identifier: Apache-2.0
 * Pooling kernels: max over HWC int8 by itself, the others over any layout and element width. */
#include "nnom.h"

typedef struct {
    uint32_t first, last; /* cells [first, last) of the image */
} span_t;

static span_t clip_span(uint32_t out, uint16_t stride, uint16_t pad, uint16_t kernel, uint16_t size)
{
    const int32_t start = (int32_t)(out * stride) - pad;
    const int32_t end = start + kernel;
    const span_t span = {(uint32_t)(start < 0 ? 0 : start),
                         (uint32_t)(end < 0 ? 0 : end > size ? size : end)};
    return span;
}

void local_maxpool_q7_HWC(NNOM_POOL_ARGUMENTS(q7_t))
{
    (void)bufferA;
    for (uint32_t j = 0; j < dim_im_out_y; j++) {
        const span_t y = clip_span(j, stride_y, padding_y, dim_kernel_y, dim_im_in_y);
        for (uint32_t i = 0; i < dim_im_out_x; i++, Im_out += ch_im_in) {
            const span_t x = clip_span(i, stride_x, padding_x, dim_kernel_x, dim_im_in_x);
            if (y.first >= y.last || x.first >= x.last) {
                nnom_memset(Im_out, 127, ch_im_in); /* NNoM's result for a window with no taps */
                continue;
            }
            nnom_memset(Im_out, -128, ch_im_in);
            for (uint32_t m = y.first; m < y.last; m++) {
                const q7_t *in = Im_in + (m * dim_im_in_x + x.first) * ch_im_in;
                for (uint32_t n = x.first; n < x.last; n++) {
                    for (uint32_t c = 0; c < ch_im_in; c++, in++) {
                        if (*in > Im_out[c]) {
                            Im_out[c] = *in;
                        }
                    }
                }
            }
        }
    }
}

typedef struct {
    const void *in;
    void *out;
    uint16_t in_x, in_y, channels, kernel_x, kernel_y, pad_x, pad_y, stride_x, stride_y, out_x,
        out_y;
    bool channel_first, wide; /* wide: int16 data */
} pool_t;

/* What one window holds. */
typedef struct {
    int32_t max;
    int64_t sum;
    uint32_t count;
} window_t;

static size_t index_of(const pool_t *p, uint32_t y, uint32_t x, uint32_t c, uint32_t height,
                       uint32_t width)
{
    return p->channel_first ? ((size_t)c * height + y) * width + x
                            : ((size_t)y * width + x) * p->channels + c;
}

static window_t window_of(const pool_t *p, uint32_t oy, uint32_t ox, uint32_t c)
{
    const span_t y = clip_span(oy, p->stride_y, p->pad_y, p->kernel_y, p->in_y);
    const span_t x = clip_span(ox, p->stride_x, p->pad_x, p->kernel_x, p->in_x);
    window_t w = {INT32_MIN, 0, 0};
    for (uint32_t m = y.first; m < y.last; m++) {
        for (uint32_t n = x.first; n < x.last; n++) {
            const size_t i = index_of(p, m, n, c, p->in_y, p->in_x);
            const int32_t value = p->wide ? ((const q15_t *)p->in)[i] : ((const q7_t *)p->in)[i];
            w.max = value > w.max ? value : w.max;
            w.sum += value;
            w.count++;
        }
    }
    return w;
}

typedef int32_t (*result_fn)(const pool_t *p, window_t w, int32_t parameter);

static void run(const pool_t *p, result_fn result_of, int32_t parameter)
{
    for (uint32_t y = 0; y < p->out_y; y++) {
        for (uint32_t x = 0; x < p->out_x; x++) {
            for (uint32_t c = 0; c < p->channels; c++) {
                const int32_t value = result_of(p, window_of(p, y, x, c), parameter);
                const size_t i = index_of(p, y, x, c, p->out_y, p->out_x);
                if (p->wide) {
                    ((q15_t *)p->out)[i] = (q15_t)value;
                } else {
                    ((q7_t *)p->out)[i] = (q7_t)value;
                }
            }
        }
    }
}

static int32_t max_of(const pool_t *p, window_t w, int32_t parameter)
{
    (void)parameter;
    if (w.count == 0) {
        return p->wide ? INT16_MIN : 127; /* NNoM's results for a window with no taps */
    }
    return w.max;
}

/* toward zero; a shift that leaves no tap to divide by leaves the sum itself */
static int32_t average_of(const pool_t *p, window_t w, int32_t shift)
{
    const uint32_t count = shift < 0 || shift > 31 ? 0 : w.count >> shift;
    const int64_t value = w.sum / (int64_t)(count == 0 ? 1 : count);
#if NNOM_COMPAT_043
    (void)p;
    return (int32_t)value; /* NNoM cuts off what a shift lets overflow */
#else
    const int64_t most = p->wide ? INT16_MAX : INT8_MAX;
    return (int32_t)(value > most ? most : value < -most - 1 ? -most - 1 : value);
#endif
}

static int32_t sum_of(const pool_t *p, window_t w, int32_t shift)
{
    const int64_t value = w.sum >> shift;
    const int32_t narrow = value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : (int32_t)value;
    return p->wide ? narrow : __NNOM_SSAT(narrow, 8);
}

/* The smallest shift s with 127 * (1 + s) >= the largest magnitude of all sums: the rule of NNoM
 * 0.3 to 0.4.1, the last releases whose sum pooling wrote a result. */
static int32_t shift_for_sums(const pool_t *p)
{
    int64_t largest = 0;
    for (uint32_t y = 0; y < p->out_y; y++) {
        for (uint32_t x = 0; x < p->out_x; x++) {
            for (uint32_t c = 0; c < p->channels; c++) {
                const int64_t sum = window_of(p, y, x, c).sum;
                const int64_t magnitude = sum < 0 ? -sum : sum;
                largest = magnitude > largest ? magnitude : largest;
            }
        }
    }
    int32_t shift = 0;
    while (shift < 31 && 127 * (1 + (int64_t)shift) < largest) {
        shift++;
    }
    return shift;
}

#define GEOMETRY(is_channel_first, is_wide)                                                      \
    const pool_t p = {.in = Im_in, .out = Im_out, .in_x = dim_im_in_x, .in_y = dim_im_in_y,      \
                      .channels = ch_im_in, .kernel_x = dim_kernel_x, .kernel_y = dim_kernel_y,  \
                      .pad_x = padding_x, .pad_y = padding_y, .stride_x = stride_x,              \
                      .stride_y = stride_y, .out_x = dim_im_out_x, .out_y = dim_im_out_y,        \
                      .channel_first = (is_channel_first), .wide = (is_wide)};                   \
    (void)bufferA

void local_maxpool_q15_HWC(NNOM_POOL_ARGUMENTS(q15_t))
{
    GEOMETRY(false, true);
    run(&p, max_of, 0);
}

void local_maxpool_q7_CHW(NNOM_POOL_ARGUMENTS(q7_t))
{
    GEOMETRY(true, false);
    run(&p, max_of, 0);
}

void local_maxpool_q15_CHW(NNOM_POOL_ARGUMENTS(q15_t))
{
    GEOMETRY(true, true);
    run(&p, max_of, 0);
}

void local_avepool_q7_HWC(NNOM_SHIFTED_POOL_ARGUMENTS(q7_t))
{
    GEOMETRY(false, false);
    run(&p, average_of, output_shift);
}

void local_avepool_q15_HWC(NNOM_SHIFTED_POOL_ARGUMENTS(q15_t))
{
    GEOMETRY(false, true);
    run(&p, average_of, output_shift);
}

void local_avepool_q7_CHW(NNOM_SHIFTED_POOL_ARGUMENTS(q7_t))
{
    GEOMETRY(true, false);
    run(&p, average_of, output_shift);
}

void local_avepool_q15_CHW(NNOM_SHIFTED_POOL_ARGUMENTS(q15_t))
{
    GEOMETRY(true, true);
    run(&p, average_of, output_shift);
}

void local_sumpool_q7_HWC(NNOM_POOL_ARGUMENTS(q7_t))
{
    GEOMETRY(false, false);
    run(&p, sum_of, shift_for_sums(&p));
}

void local_sumpool_q7_CHW(NNOM_POOL_ARGUMENTS(q7_t))
{
    GEOMETRY(true, false);
    run(&p, sum_of, shift_for_sums(&p));
}

void local_sumpool_q15_HWC(NNOM_SHIFTED_POOL_ARGUMENTS(q15_t))
{
    GEOMETRY(false, true);
    run(&p, sum_of, output_shift > 31 ? 31 : output_shift);
}

void local_sumpool_q15_CHW(NNOM_SHIFTED_POOL_ARGUMENTS(q15_t))
{
    GEOMETRY(true, true);
    run(&p, sum_of, output_shift > 31 ? 31 : output_shift);
}
