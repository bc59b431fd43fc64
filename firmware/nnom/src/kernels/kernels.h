/* SPDX-License-Identifier: Apache-2.0
 * Kernels, private to the library: pointers and integers only. x is width, y is height. s8 data is
 * int8, s16 data int16, in HWC order (channel last) unless a name says chw. What a kernel computes
 * is defined by its form in plain/; other forms give the same bytes. dispatch.h chooses. */
#ifndef NNOM_KERNELS_H
#define NNOM_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nnom_port.h"

/* A port header from NNoM itself knows nothing of these. */
#ifndef NNOM_COMPAT_043
#define NNOM_COMPAT_043 0
#endif
#ifndef NNOM_KERNELS
#define NNOM_KERNELS auto
#endif

#include "dispatch.h"

/* A window that slides over an image. pad: cells before the image; behind it as many as the output
 * needs. */
typedef struct {
    uint16_t in_x, in_y, channels;
    uint16_t out_x, out_y;
    uint16_t kernel_x, kernel_y;
    uint16_t pad_x, pad_y, stride_x, stride_y, dilation_x, dilation_y;
} nnom_window_t;

/* From sums to results: (bias * 2^bias_shift + products + round) >> out_shift, saturated. Shifts are
 * 0 to 30; entry 0 is for all channels unless per_channel. bias may be NULL, and its shift then.
 * relu: negative results become 0; kernels of s8 data look at it. */
typedef struct {
    const int8_t *bias;
    const int32_t *bias_shift, *out_shift;
    bool per_channel, relu;
} nnom_scale_t;

/* pad_value: what the cells around the image hold; kernels of s8 data in HWC order look at it.
 * scratch: as many bytes, at a multiple of four, as the kernel's query says; NULL: the kernel does
 * without, more slowly. */
typedef struct {
    nnom_window_t window;
    nnom_scale_t scale;
    const int8_t *weights;
    void *scratch;
    uint16_t filters;
    int8_t pad_value;
} nnom_conv_t;

/* Bytes of scratch that a kernel wants for these parameters; their data and scratch are not read. */
typedef size_t nnom_conv_scratch_t(const nnom_conv_t *p);

/* Convolution. weights: [filter][y][x][channel]; chw: [y][x][channel][filter]. */
typedef void nnom_conv_s8_t(const nnom_conv_t *p, const int8_t *in, int8_t *out);
void nnom_conv_s16(const nnom_conv_t *p, const int16_t *in, int16_t *out);
void nnom_conv_chw_s8(const nnom_conv_t *p, const int8_t *in, int8_t *out);
void nnom_conv_chw_s16(const nnom_conv_t *p, const int16_t *in, int16_t *out);

/* Depthwise convolution. weights: [y][x][filter]; filters is a multiple of the channels. */
typedef void nnom_depthwise_s8_t(const nnom_conv_t *p, const int8_t *in, int8_t *out);
void nnom_depthwise_s16(const nnom_conv_t *p, const int16_t *in, int16_t *out);
void nnom_depthwise_chw_s8(const nnom_conv_t *p, const int8_t *in, int8_t *out);
void nnom_depthwise_chw_s16(const nnom_conv_t *p, const int16_t *in, int16_t *out);

/* Transposed convolution as Keras has it; pad is what the result loses before its first cell.
 * weights: [filter][y][x][channel]; chw: [y][x][filter][channel]. */
typedef void nnom_conv_trans_s8_t(const nnom_conv_t *p, const int8_t *in, int8_t *out);
void nnom_conv_trans_s16(const nnom_conv_t *p, const int16_t *in, int16_t *out);
void nnom_conv_trans_chw_s8(const nnom_conv_t *p, const int8_t *in, int8_t *out);
void nnom_conv_trans_chw_s16(const nnom_conv_t *p, const int16_t *in, int16_t *out);

/* weights: [row][column], or interleaved as docs/numerics.md has it. scratch: NNOM_DENSE_SCRATCH()
 * bytes for s8 data, or NULL. */
typedef struct {
    nnom_scale_t scale;
    const int8_t *weights;
    uint16_t columns, rows;
    void *scratch;
} nnom_dense_t;

/* CMSIS-NN's functions widen the vector, or are told shifts and biases of each row; ours do not. */
#define NNOM_DENSE_SCRATCH(columns, rows)                                                          \
    (NNOM_HAS_CMSIS_Q7 * 2 * (size_t)(columns) + NNOM_HAS_CMSIS_S8 * 4 * (size_t)(rows))

/* Fully connected; x4 and x2: weights in the orders "x4" and "q7_q15". x4 has one shift for all. */
typedef void nnom_dense_s8_t(const nnom_dense_t *p, const int8_t *in, int8_t *out);
typedef void nnom_dense_x4_s8_t(const nnom_dense_t *p, const int8_t *in, int8_t *out);
void nnom_dense_s16(const nnom_dense_t *p, const int16_t *in, int16_t *out);
typedef void nnom_dense_x2_s16_t(const nnom_dense_t *p, const int16_t *in, int16_t *out);

/* Pooling over the taps inside the image. Average: toward zero, by taps >> shift. Sum: s8 results
 * share one shift, the smallest s with 127 * (1 + s) >= max |sum|; s16 results are shifted by
 * `shift` and saturate. */
typedef void nnom_maxpool_s8_t(const nnom_window_t *w, const int8_t *in, int8_t *out);
void nnom_maxpool_s16(const nnom_window_t *w, const int16_t *in, int16_t *out);
void nnom_maxpool_chw_s8(const nnom_window_t *w, const int8_t *in, int8_t *out);
void nnom_maxpool_chw_s16(const nnom_window_t *w, const int16_t *in, int16_t *out);
typedef void nnom_avgpool_s8_t(const nnom_window_t *w, int32_t shift, const int8_t *in, int8_t *out);
void nnom_avgpool_s16(const nnom_window_t *w, int32_t shift, const int16_t *in, int16_t *out);
void nnom_avgpool_chw_s8(const nnom_window_t *w, int32_t shift, const int8_t *in, int8_t *out);
void nnom_avgpool_chw_s16(const nnom_window_t *w, int32_t shift, const int16_t *in, int16_t *out);
typedef void nnom_sumpool_s8_t(const nnom_window_t *w, const int8_t *in, int8_t *out);
void nnom_sumpool_s16(const nnom_window_t *w, int32_t shift, const int16_t *in, int16_t *out);
void nnom_sumpool_chw_s8(const nnom_window_t *w, const int8_t *in, int8_t *out);
void nnom_sumpool_chw_s16(const nnom_window_t *w, int32_t shift, const int16_t *in, int16_t *out);

/* Data that is only moved: planes of y rows of x cells, `cell` bytes each. */
typedef struct {
    size_t cell;
    uint32_t x, y, planes;
} nnom_picture_t;

/* `count` rows of `row` bytes, of which out's begin out_step and in's in_step bytes apart. */
void nnom_copy_rows(const void *in, size_t in_step, void *out, size_t out_step, size_t row,
                    size_t count);
/* Each cell times_x times across and times_y times down. */
void nnom_up_sample(const nnom_picture_t *p, uint32_t times_x, uint32_t times_y, const void *in,
                    void *out);
/* Zeros around each plane; rows of out_x cells. */
void nnom_zero_pad(const nnom_picture_t *p, uint32_t top, uint32_t bottom, uint32_t left,
                   uint32_t out_x, const void *in, void *out);
/* out_y rows of out_x cells of each plane. */
void nnom_crop(const nnom_picture_t *p, uint32_t top, uint32_t left, uint32_t out_x, uint32_t out_y,
               const void *in, void *out);

/* Element-wise, n elements: sat((combined + round) >> shift). in may be out. */
typedef void nnom_add_s8_t(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift,
                           uint32_t n);
typedef void nnom_add_s16_t(const int16_t *a, const int16_t *b, int16_t *out, int32_t shift,
                            uint32_t n);
typedef void nnom_sub_s8_t(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift,
                           uint32_t n);
void nnom_sub_s16(const int16_t *a, const int16_t *b, int16_t *out, int32_t shift, uint32_t n);
typedef void nnom_mult_s8_t(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift,
                            uint32_t n);
void nnom_mult_s16(const int16_t *a, const int16_t *b, int16_t *out, int32_t shift, uint32_t n);
/* The same of `count` operands; products wrap, at 32 bits (s8) and 64 (s16). */
void nnom_add_many_s8(int8_t *const *in, uint32_t count, int8_t *out, int32_t shift, uint32_t n);
void nnom_add_many_s16(int16_t *const *in, uint32_t count, int16_t *out, int32_t shift, uint32_t n);
void nnom_sub_many_s8(int8_t *const *in, uint32_t count, int8_t *out, int32_t shift, uint32_t n);
void nnom_sub_many_s16(int16_t *const *in, uint32_t count, int16_t *out, int32_t shift, uint32_t n);
void nnom_mult_many_s8(int8_t *const *in, uint32_t count, int8_t *out, int32_t shift, uint32_t n);
void nnom_mult_many_s16(int16_t *const *in, uint32_t count, int16_t *out, int32_t shift, uint32_t n);

/* Activations, in place. alpha: Q0.7. int_width: integer bits of the data; dec: fraction bits of s8
 * data, eight less than those of s16 data. */
typedef void nnom_relu_s8_t(int8_t *data, uint32_t size);
void nnom_relu_s16(int16_t *data, uint32_t size);
void nnom_leaky_relu_s8(int8_t *data, int8_t alpha, uint32_t size);
void nnom_leaky_relu_s16(int16_t *data, int8_t alpha, uint32_t size);
void nnom_adv_relu_s8(int8_t *data, int8_t alpha, int8_t max, int8_t threshold, uint32_t size);
void nnom_adv_relu_s16(int16_t *data, int8_t alpha, int16_t max, int16_t threshold, uint32_t size);
void nnom_sigmoid_s8(int8_t *data, uint32_t size, int16_t int_width);
typedef void nnom_sigmoid_s16_t(int16_t *data, uint32_t size, uint16_t int_width);
void nnom_tanh_s8(int8_t *data, uint32_t size, int16_t int_width);
typedef void nnom_tanh_s16_t(int16_t *data, uint32_t size, uint16_t int_width);
void nnom_hard_sigmoid_s8(int8_t *data, uint32_t size, int16_t dec_bit);
void nnom_hard_sigmoid_s16(int16_t *data, uint32_t size, int16_t dec_bit);
void nnom_hard_tanh_s8(int8_t *data, uint32_t size, int16_t dec_bit);
void nnom_hard_tanh_s16(int16_t *data, uint32_t size, int16_t dec_bit);

/* Tables: entry i is f(i / 16) in Q0.7 or Q0.15, i the two's-complement byte. */
extern const int8_t nnom_sigmoid_table_q7[256], nnom_tanh_table_q7[256];
extern const int16_t nnom_sigmoid_table_q15[256], nnom_tanh_table_q15[256];

/* Softmax over n elements; the result is Q0.7 or Q0.15. To base e, of data with dec fraction bits;
 * base two: of the integers, whatever their format. */
void nnom_softmax_s8(const int8_t *in, uint32_t n, int32_t dec, int8_t *out);
void nnom_softmax_s16(const int16_t *in, uint32_t n, int32_t dec, int16_t *out);
void nnom_softmax_base_two_s8(const int8_t *in, uint32_t n, int8_t *out);
void nnom_softmax_base_two_s16(const int16_t *in, uint32_t n, int16_t *out);

/* Products with s16 weights [row][column]; x4: in the order "x4_q15". */
void nnom_dot_s16(const int16_t *weights, uint32_t columns, uint32_t rows, int32_t shift,
                  const int16_t *in, int16_t *out);
void nnom_dot_x4_s16(const int16_t *weights, uint32_t columns, uint32_t rows, int32_t shift,
                     const int16_t *in, int16_t *out);

/* Between widths: the same value in Q0.7 and Q0.15, the same number, shifted right and cut. */
void nnom_widen(const int8_t *in, int16_t *out, uint32_t n);
void nnom_widen_unscaled(const int8_t *in, int16_t *out, uint32_t n);
void nnom_narrow(const int16_t *in, uint32_t shift, int8_t *out, uint32_t n);
/* 1 - in, dec fraction bits. */
void nnom_one_minus(const int16_t *in, uint32_t dec, int16_t *out, uint32_t n);

/* Loops of recurrent cells, n elements of Q0.15; results may lie where operands do.
 * gate: a * b. blend: z * h + (1 - z) * g, z >= 0. state: i * g + f * c, the first product shifted by
 * `shift`, the second by 15. Each product is rounded and saturated. */
typedef void nnom_gate_s16_t(const int16_t *a, const int16_t *b, int16_t *out, uint32_t n);
typedef void nnom_blend_s16_t(const int16_t *z, const int16_t *h, const int16_t *g, int16_t *out,
                              uint32_t n);
typedef void nnom_state_s16_t(const int16_t *i, const int16_t *g, const int16_t *f,
                              const int16_t *c, int32_t shift, int16_t *out, uint32_t n);

/* Kernels with more than one form: nnom_conv_s8 is one of nnom_conv_s8_plain and others. */
#define NNOM_KERNEL(operation, form, needs) nnom_##operation##_t nnom_##operation##_##form;
#define NNOM_SCRATCH(operation, form, needs) nnom_conv_scratch_t nnom_##operation##_##form##_scratch;
#include "kernels.inc"
#undef NNOM_KERNEL
#undef NNOM_SCRATCH

#endif
