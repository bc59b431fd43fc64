/* SPDX-License-Identifier: Apache-2.0
 * Back-end functions: pointers and integers only. x is width, y is height. HWC data is channel-last,
 * CHW channel-first; q7 data is int8, q15 data int16. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_LOCAL_H
#define NNOM_LOCAL_H

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MAX
#define MAX(A, B) ((A) > (B) ? (A) : (B))
#endif
#ifndef MIN
#define MIN(A, B) ((A) < (B) ? (A) : (B))
#endif

/* value saturated to a signed number of bit bits. */
#ifndef __NNOM_SSAT
static inline int __NNOM_SSAT(int32_t value, int32_t bit)
{
    const int32_t max = (int32_t)((1u << (bit - 1)) - 1u);
    const int32_t min = -max - 1;
    return value > max ? max : value < min ? min : value;
}
#endif

/* value saturated to an unsigned number of bit bits. */
#ifndef __NNOM_USAT
static inline int __NNOM_USAT(int32_t value, int32_t bit)
{
    const int32_t max = (int32_t)((1u << bit) - 1u);
    return value > max ? max : value < 0 ? 0 : value;
}
#endif

/* Table look-up, 1/16 steps over [-8, 8): entry i is f(i/16) in Q0.7 or Q0.15, i the two's-complement
 * byte. */
extern const q7_t nnom_sigmoid_table_q7[256];
extern const q7_t nnom_tanh_table_q7[256];
extern const q15_t nnom_sigmoid_table_q15[256];
extern const q15_t nnom_tanh_table_q15[256];

/* Argument lists that many kernels share; T is q7_t or q15_t, the type of the data. */
#define NNOM_CONVOLVE_GEOMETRY(T)                                                                  \
    const T *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,                        \
        const uint16_t ch_im_in, const q7_t *wt, const uint16_t ch_im_out,                         \
        const uint16_t dim_kernel_x, const uint16_t dim_kernel_y, const uint16_t padding_x,        \
        const uint16_t padding_y, const uint16_t stride_x, const uint16_t stride_y,                \
        const uint16_t dilation_x, const uint16_t dilation_y, const q7_t *bias
#define NNOM_CONVOLVE_RESULT(T)                                                                    \
    T *Im_out, const uint16_t dim_im_out_x, const uint16_t dim_im_out_y, q15_t *bufferA,           \
        q7_t *bufferB
#define NNOM_CONVOLVE_ARGUMENTS(T)                                                                 \
    NNOM_CONVOLVE_GEOMETRY(T), const nnom_qformat_param_t *bias_shift,                             \
        const nnom_qformat_param_t *out_shift, const nnom_qtype_t q_type, NNOM_CONVOLVE_RESULT(T)
/* NNoM declares the data of both widths as int8_t here */
#define NNOM_CONV_TRANS_ARGUMENTS(T)                                                               \
    NNOM_CONVOLVE_GEOMETRY(int8_t), const uint16_t bias_shift, const uint16_t out_shift,           \
        NNOM_CONVOLVE_RESULT(T)
#define NNOM_POOL_GEOMETRY(T)                                                                      \
    const T *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,                        \
        const uint16_t ch_im_in, const uint16_t dim_kernel_x, const uint16_t dim_kernel_y,         \
        const uint16_t padding_x, const uint16_t padding_y, const uint16_t stride_x,               \
        const uint16_t stride_y, const uint16_t dim_im_out_x, const uint16_t dim_im_out_y
#define NNOM_POOL_ARGUMENTS(T) NNOM_POOL_GEOMETRY(T), q7_t *bufferA, T *Im_out
#define NNOM_SHIFTED_POOL_ARGUMENTS(T)                                                             \
    NNOM_POOL_GEOMETRY(T), const uint16_t output_shift, q7_t *bufferA, T *Im_out
#define NNOM_UP_SAMPLING_ARGUMENTS(T)                                                              \
    const T *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,                        \
        const uint16_t ch_im_in, const uint16_t dim_kernel_x, const uint16_t dim_kernel_y,         \
        const uint16_t dim_im_out_x, const uint16_t dim_im_out_y, q7_t *bufferA, T *Im_out
#define NNOM_BORDER_ARGUMENTS(T)                                                                   \
    const T *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,                        \
        const uint16_t ch_im_in, const uint16_t padding_top, const uint16_t padding_bottom,        \
        const uint16_t padding_left, const uint16_t padding_right, T *Im_out,                      \
        const uint16_t dim_im_out_x, const uint16_t dim_im_out_y

/* Convolution. wt is int8 in all variants: HWC [ch_im_out][kernel_y][kernel_x][ch_im_in], CHW
 * [kernel_y][kernel_x][ch_im_in][ch_im_out]; bias may be NULL. Padding is what lies before the
 * image; behind it as much as the output size needs. Shifts are per channel with
 * NNOM_QTYPE_PER_AXIS, else entry 0 is used. The buffers may be NULL. */
void local_convolve_HWC_q7_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q7_t));
void local_convolve_HWC_q15_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q15_t));
void local_convolve_CHW_q7_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q7_t));
void local_convolve_CHW_q15_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q15_t));

/* Depthwise convolution. wt: [kernel_y][kernel_x][ch_im_out]; ch_im_out is a multiple of ch_im_in. */
void local_depthwise_separable_conv_HWC_q7_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q7_t));
void local_depthwise_separable_conv_HWC_q15_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q15_t));
void local_depthwise_separable_conv_CHW_q7_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q7_t));
void local_depthwise_separable_conv_CHW_q15_nonsquare(NNOM_CONVOLVE_ARGUMENTS(q15_t));

/* Transposed convolution as Keras has it. Padding is what the result loses before its first cell.
 * wt: HWC [ch_im_out][kernel_y][kernel_x][ch_im_in], CHW [kernel_y][kernel_x][ch_im_out][ch_im_in]. */
void local_conv_trans_HWC_q7_nonsquare(NNOM_CONV_TRANS_ARGUMENTS(q7_t));
void local_conv_trans_HWC_q15_nonsquare(NNOM_CONV_TRANS_ARGUMENTS(q15_t));

/* Fully connected. pM: [num_of_rows][dim_vec], plain or, for _opt, interleaved (docs/numerics.md:
 * "x4" for int8, "q7_q15" for an int16 vector); bias may be NULL. vec_buffer may be NULL. */
#define NNOM_FULLY_CONNECTED_ARGUMENTS(T)                                                          \
    const T *pV, const q7_t *pM, const uint16_t dim_vec, const uint16_t num_of_rows,               \
        const uint16_t bias_shift, const uint16_t out_shift, const q7_t *bias, T *pOut,            \
        q15_t *vec_buffer
void local_fully_connected_q7(NNOM_FULLY_CONNECTED_ARGUMENTS(q7_t));
void local_fully_connected_q7_opt(NNOM_FULLY_CONNECTED_ARGUMENTS(q7_t));
void local_fully_connected_mat_q7_vec_q15(NNOM_FULLY_CONNECTED_ARGUMENTS(q15_t));
void local_fully_connected_mat_q7_vec_q15_opt(NNOM_FULLY_CONNECTED_ARGUMENTS(q15_t));
/* The same without bias; local_dot_q15_opt takes int16 weights in "x4_q15" order. */
#define NNOM_DOT_ARGUMENTS(T)                                                                      \
    const T *pV, const T *pM, const uint16_t dim_vec, const uint16_t num_of_rows,                  \
        const uint16_t out_shift, T *pOut
void local_dot_q7(NNOM_DOT_ARGUMENTS(q7_t));
void local_dot_q7_opt(NNOM_DOT_ARGUMENTS(q7_t));
void local_dot_q15(NNOM_DOT_ARGUMENTS(q15_t));
void local_dot_q15_opt(NNOM_DOT_ARGUMENTS(q15_t));

/* Pooling over the taps inside the image. Average divides toward zero by taps >> output_shift.
 * Sum: int8 results share one shift, the smallest s with 127 * (1 + s) >= max |sum|; int16 results
 * are shifted by output_shift and saturate. */
void local_maxpool_q7_HWC(NNOM_POOL_ARGUMENTS(q7_t));
void local_maxpool_q15_HWC(NNOM_POOL_ARGUMENTS(q15_t));
void local_maxpool_q7_CHW(NNOM_POOL_ARGUMENTS(q7_t));
void local_maxpool_q15_CHW(NNOM_POOL_ARGUMENTS(q15_t));
void local_avepool_q7_HWC(NNOM_SHIFTED_POOL_ARGUMENTS(q7_t));
void local_avepool_q15_HWC(NNOM_SHIFTED_POOL_ARGUMENTS(q15_t));
void local_avepool_q7_CHW(NNOM_SHIFTED_POOL_ARGUMENTS(q7_t));
void local_avepool_q15_CHW(NNOM_SHIFTED_POOL_ARGUMENTS(q15_t));
void local_sumpool_q7_HWC(NNOM_POOL_ARGUMENTS(q7_t));
void local_sumpool_q7_CHW(NNOM_POOL_ARGUMENTS(q7_t));
void local_sumpool_q15_HWC(NNOM_SHIFTED_POOL_ARGUMENTS(q15_t));
void local_sumpool_q15_CHW(NNOM_SHIFTED_POOL_ARGUMENTS(q15_t));

void local_up_sampling_q7_HWC(NNOM_UP_SAMPLING_ARGUMENTS(q7_t));
void local_up_sampling_q15_HWC(NNOM_UP_SAMPLING_ARGUMENTS(q15_t));
void local_up_sampling_q7_CHW(NNOM_UP_SAMPLING_ARGUMENTS(q7_t));
void local_up_sampling_q15_CHW(NNOM_UP_SAMPLING_ARGUMENTS(q15_t));
void local_zero_padding_HWC_q7(NNOM_BORDER_ARGUMENTS(q7_t));
void local_zero_padding_HWC_q15(NNOM_BORDER_ARGUMENTS(q15_t));
void local_zero_padding_CHW_q7(NNOM_BORDER_ARGUMENTS(q7_t));
void local_zero_padding_CHW_q15(NNOM_BORDER_ARGUMENTS(q15_t));
void local_cropping_HWC_q7(NNOM_BORDER_ARGUMENTS(q7_t));
void local_cropping_HWC_q15(NNOM_BORDER_ARGUMENTS(q15_t));
void local_cropping_CHW_q7(NNOM_BORDER_ARGUMENTS(q7_t));
void local_cropping_CHW_q15(NNOM_BORDER_ARGUMENTS(q15_t));

/* Softmax over all dim_vec elements; the result is Q0.7 or Q0.15. NNoM's has base two, whatever the
 * format. */
void local_softmax_q7(const q7_t *vec_in, const uint32_t dim_vec, q7_t *p_out);
void local_softmax_q15(const q15_t *vec_in, const uint16_t dim_vec, q15_t *p_out);

/* Activations, in place. int_width: integer bits of the data; dec_bit: fraction bits of int8 data,
 * eight less than those of int16 data. */
void local_relu_q7(q7_t *data, uint32_t size);
void local_relu_q15(q15_t *data, uint32_t size);
void local_leaky_relu_q7(q7_t *data, q7_t alpha, uint32_t size);
void local_leaky_relu_q15(q15_t *data, q7_t alpha, uint32_t size);
void local_adv_relu_q7(q7_t *data, q7_t alpha, q7_t max, q7_t threshold, uint32_t size);
void local_adv_relu_q15(q15_t *data, q7_t alpha, q15_t max, q15_t threshold, uint32_t size);
void local_sigmoid_q7(q7_t *data, uint32_t size, int16_t int_width);
void local_tanh_q7(q7_t *data, uint32_t size, int16_t int_width);
void local_sigmoid_q15(q15_t *data, uint32_t size, uint16_t int_width);
void local_tanh_q15(q15_t *data, uint32_t size, uint16_t int_width);
void local_hard_sigmoid_q7(q7_t *data, uint32_t size, int16_t dec_bit);
void local_hard_sigmoid_q15(q15_t *data, uint32_t size, int16_t dec_bit);
void local_hard_tanh_q7(q7_t *data, uint32_t size, int16_t dec_bit);
void local_hard_tanh_q15(q15_t *data, uint32_t size, int16_t dec_bit);

/* Element-wise, result = sat((combined + round) >> out_shift). */
#define NNOM_MATRIX_ARGUMENTS(T)                                                                   \
    T *pSrcA, T *pSrcB, T *pDst, const uint16_t out_shift, uint32_t blockSize
#define NNOM_MULTIPLE_ARGUMENTS(T)                                                                 \
    T *p_dst, const int16_t out_shift, uint32_t block_size, uint32_t num_block, T **p_src
void local_add_q7(NNOM_MATRIX_ARGUMENTS(q7_t));
void local_add_q15(NNOM_MATRIX_ARGUMENTS(q15_t));
void local_sub_q7(NNOM_MATRIX_ARGUMENTS(q7_t));
void local_sub_q15(NNOM_MATRIX_ARGUMENTS(q15_t));
void local_mult_q7(NNOM_MATRIX_ARGUMENTS(q7_t));
void local_mult_q15(NNOM_MATRIX_ARGUMENTS(q15_t));
void local_multiple_add_q7(NNOM_MULTIPLE_ARGUMENTS(q7_t));
void local_multiple_add_q15(NNOM_MULTIPLE_ARGUMENTS(q15_t));
void local_multiple_sub_q7(NNOM_MULTIPLE_ARGUMENTS(q7_t));
void local_multiple_sub_q15(NNOM_MULTIPLE_ARGUMENTS(q15_t));
void local_multiple_mult_q7(NNOM_MULTIPLE_ARGUMENTS(q7_t));
void local_multiple_mult_q15(NNOM_MULTIPLE_ARGUMENTS(q15_t));

/* Between widths: as the same number, as the same value in Q0.7 and Q0.15 (shifted by eight), and
 * shifted right and cut to eight bits. */
void local_q7_to_q15_no_shift(const q7_t *src, q15_t *des, uint32_t size);
void local_q7_to_q15(const q7_t *src, q15_t *des, uint32_t size);
void local_q15_to_q7(const q15_t *src, q7_t *des, uint32_t shift, uint32_t size);
/* One minus z, z in dec_bit fraction bits. */
void local_1_minor_z_q15(q15_t *src, q15_t *des, uint16_t dec_bit, uint32_t size);

#ifdef __cplusplus
}
#endif

#endif
