/* SPDX-License-Identifier: Apache-2.0
 * Back-end functions: pointers and integers only. x is width, y is height; data is HWC. */
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

/* value * 2^shift for 0 <= shift <= 31; a left shift of a negative number is undefined in C. */
static inline int32_t nnom_lshift(int32_t value, int32_t shift)
{
    return (int32_t)((uint32_t)value << (uint32_t)shift);
}

/* Table look-up, 1/16 steps over [-8, 8): entry i is f(i/16) in Q0.7, i the two's-complement byte. */
extern const q7_t nnom_sigmoid_table_q7[256];
extern const q7_t nnom_tanh_table_q7[256];

/* Convolution. wt: [ch_im_out][kernel_y][kernel_x][ch_im_in]; bias may be NULL. Padding is what
 * lies before the image; behind it as much as the output size needs. Shifts are per channel with
 * NNOM_QTYPE_PER_AXIS, else entry 0 is used. The buffers may be NULL. */
void local_convolve_HWC_q7_nonsquare(
    const q7_t *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,
    const uint16_t ch_im_in, const q7_t *wt, const uint16_t ch_im_out, const uint16_t dim_kernel_x,
    const uint16_t dim_kernel_y, const uint16_t padding_x, const uint16_t padding_y,
    const uint16_t stride_x, const uint16_t stride_y, const uint16_t dilation_x,
    const uint16_t dilation_y, const q7_t *bias, const nnom_qformat_param_t *bias_shift,
    const nnom_qformat_param_t *out_shift, const nnom_qtype_t q_type, q7_t *Im_out,
    const uint16_t dim_im_out_x, const uint16_t dim_im_out_y, q15_t *bufferA, q7_t *bufferB);

/* Depthwise convolution. wt: [kernel_y][kernel_x][ch_im_out]; ch_im_out is a multiple of ch_im_in. */
void local_depthwise_separable_conv_HWC_q7_nonsquare(
    const q7_t *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,
    const uint16_t ch_im_in, const q7_t *wt, const uint16_t ch_im_out, const uint16_t dim_kernel_x,
    const uint16_t dim_kernel_y, const uint16_t padding_x, const uint16_t padding_y,
    const uint16_t stride_x, const uint16_t stride_y, const uint16_t dilation_x,
    const uint16_t dilation_y, const q7_t *bias, const nnom_qformat_param_t *bias_shift,
    const nnom_qformat_param_t *out_shift, const nnom_qtype_t q_type, q7_t *Im_out,
    const uint16_t dim_im_out_x, const uint16_t dim_im_out_y, q15_t *bufferA, q7_t *bufferB);

/* Fully connected. pM: [num_of_rows][dim_vec], plain or, for _opt, interleaved four rows by four
 * columns (docs/numerics.md); bias may be NULL. */
void local_fully_connected_q7(const q7_t *pV, const q7_t *pM, const uint16_t dim_vec,
                              const uint16_t num_of_rows, const uint16_t bias_shift,
                              const uint16_t out_shift, const q7_t *bias, q7_t *pOut,
                              q15_t *vec_buffer);
void local_fully_connected_q7_opt(const q7_t *pV, const q7_t *pM, const uint16_t dim_vec,
                                  const uint16_t num_of_rows, const uint16_t bias_shift,
                                  const uint16_t out_shift, const q7_t *bias, q7_t *pOut,
                                  q15_t *vec_buffer);

/* Pooling over the taps inside the image. Average divides toward zero by taps >> output_shift. */
void local_maxpool_q7_HWC(const q7_t *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,
                          const uint16_t ch_im_in, const uint16_t dim_kernel_x,
                          const uint16_t dim_kernel_y, const uint16_t padding_x,
                          const uint16_t padding_y, const uint16_t stride_x,
                          const uint16_t stride_y, const uint16_t dim_im_out_x,
                          const uint16_t dim_im_out_y, q7_t *bufferA, q7_t *Im_out);
void local_avepool_q7_HWC(const q7_t *Im_in, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,
                          const uint16_t ch_im_in, const uint16_t dim_kernel_x,
                          const uint16_t dim_kernel_y, const uint16_t padding_x,
                          const uint16_t padding_y, const uint16_t stride_x,
                          const uint16_t stride_y, const uint16_t dim_im_out_x,
                          const uint16_t dim_im_out_y, const uint16_t output_shift, q7_t *bufferA,
                          q7_t *Im_out);

void local_up_sampling_q7_HWC(const q7_t *Im_in, const uint16_t dim_im_in_x,
                              const uint16_t dim_im_in_y, const uint16_t ch_im_in,
                              const uint16_t dim_kernel_x, const uint16_t dim_kernel_y,
                              const uint16_t dim_im_out_x, const uint16_t dim_im_out_y,
                              q7_t *bufferA, q7_t *Im_out);
void local_zero_padding_HWC_q7(const q7_t *Im_in, const uint16_t dim_im_in_x,
                               const uint16_t dim_im_in_y, const uint16_t ch_im_in,
                               const uint16_t padding_top, const uint16_t padding_bottom,
                               const uint16_t padding_left, const uint16_t padding_right,
                               q7_t *Im_out, const uint16_t dim_im_out_x,
                               const uint16_t dim_im_out_y);
void local_cropping_HWC_q7(const q7_t *Im_in, const uint16_t dim_im_in_x,
                           const uint16_t dim_im_in_y, const uint16_t ch_im_in,
                           const uint16_t padding_top, const uint16_t padding_bottom,
                           const uint16_t padding_left, const uint16_t padding_right, q7_t *Im_out,
                           const uint16_t dim_im_out_x, const uint16_t dim_im_out_y);

/* Base two, over all dim_vec elements; the result is Q0.7. */
void local_softmax_q7(const q7_t *vec_in, const uint32_t dim_vec, q7_t *p_out);

/* Activations, in place. int_width: integer bits of the data; dec_bit: its fraction bits. */
void local_relu_q7(q7_t *data, uint32_t size);
void local_leaky_relu_q7(q7_t *data, q7_t alpha, uint32_t size);
void local_adv_relu_q7(q7_t *data, q7_t alpha, q7_t max, q7_t threshold, uint32_t size);
void local_sigmoid_q7(q7_t *data, uint32_t size, int16_t int_width);
void local_tanh_q7(q7_t *data, uint32_t size, int16_t int_width);
void local_hard_sigmoid_q7(q7_t *data, uint32_t size, int16_t dec_bit);
void local_hard_tanh_q7(q7_t *data, uint32_t size, int16_t dec_bit);

/* Element-wise, result = sat8((combined + round) >> out_shift). */
void local_add_q7(q7_t *pSrcA, q7_t *pSrcB, q7_t *pDst, const uint16_t out_shift,
                  uint32_t blockSize);
void local_sub_q7(q7_t *pSrcA, q7_t *pSrcB, q7_t *pDst, const uint16_t out_shift,
                  uint32_t blockSize);
void local_mult_q7(q7_t *pSrcA, q7_t *pSrcB, q7_t *pDst, const uint16_t out_shift,
                   uint32_t blockSize);
void local_multiple_add_q7(q7_t *p_dst, const int16_t out_shift, uint32_t block_size,
                           uint32_t num_block, q7_t **p_src);
void local_multiple_sub_q7(q7_t *p_dst, const int16_t out_shift, uint32_t block_size,
                           uint32_t num_block, q7_t **p_src);
void local_multiple_mult_q7(q7_t *p_dst, const int16_t out_shift, uint32_t block_size,
                            uint32_t num_block, q7_t **p_src);

#ifdef __cplusplus
}
#endif

#endif
