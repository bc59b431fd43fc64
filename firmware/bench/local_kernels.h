/* SPDX-License-Identifier: Apache-2.0
 * The cases' kernels by NNoM's own local_*() functions, to count an NNoM tree on the same shapes. */
#ifndef BENCH_LOCAL_KERNELS_H
#define BENCH_LOCAL_KERNELS_H

/* for its structs; NNoM's headers define tables of these names */
#define nnom_sigmoid_table_q7 own_sigmoid_table_q7
#define nnom_tanh_table_q7 own_tanh_table_q7
#define nnom_sigmoid_table_q15 own_sigmoid_table_q15
#define nnom_tanh_table_q15 own_tanh_table_q15
#include "../nnom/src/kernels/kernels.h"
#undef nnom_sigmoid_table_q7
#undef nnom_tanh_table_q7
#undef nnom_sigmoid_table_q15
#undef nnom_tanh_table_q15

#include "nnom.h"
#include "nnom_local.h"

#define GEOMETRY(w)                                                                                \
    (w)->kernel_x, (w)->kernel_y, (w)->pad_x, (w)->pad_y, (w)->stride_x, (w)->stride_y
#define IMAGE(w, in) in, (w)->in_x, (w)->in_y, (w)->channels
#define CONVOLUTION(name, function)                                                                \
    static inline void name(const nnom_conv_t *p, const int8_t *in, int8_t *out)                   \
    {                                                                                              \
        const nnom_window_t *w = &p->window;                                                       \
        function(IMAGE(w, in), p->weights, p->filters, GEOMETRY(w), w->dilation_x, w->dilation_y,  \
                 p->scale.bias, p->scale.bias_shift, p->scale.out_shift,                           \
                 p->scale.per_channel ? NNOM_QTYPE_PER_AXIS : NNOM_QTYPE_PER_TENSOR, out,          \
                 w->out_x, w->out_y, NULL, NULL);                                                  \
    }
CONVOLUTION(local_conv, local_convolve_HWC_q7_nonsquare)
CONVOLUTION(local_depthwise, local_depthwise_separable_conv_HWC_q7_nonsquare)

static inline void local_conv_trans(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    local_conv_trans_HWC_q7_nonsquare(
        IMAGE(w, in), p->weights, p->filters, GEOMETRY(w), w->dilation_x, w->dilation_y,
        p->scale.bias, (uint16_t)p->scale.bias_shift[0], (uint16_t)p->scale.out_shift[0], out,
        w->out_x, w->out_y, NULL, NULL);
}

#define DENSE(name, function, T)                                                                   \
    static inline void name(const nnom_dense_t *p, const T *in, T *out)                            \
    {                                                                                              \
        function(in, p->weights, p->columns, p->rows, (uint16_t)p->scale.bias_shift[0],            \
                 (uint16_t)p->scale.out_shift[0], p->scale.bias, out, NULL);                       \
    }
DENSE(local_dense, local_fully_connected_q7, int8_t)
DENSE(local_dense_x4, local_fully_connected_q7_opt, int8_t)
DENSE(local_dense_x2, local_fully_connected_mat_q7_vec_q15_opt, int16_t)

static inline void local_maxpool(const nnom_window_t *w, const int8_t *in, int8_t *out)
{
    local_maxpool_q7_HWC(IMAGE(w, in), GEOMETRY(w), w->out_x, w->out_y, NULL, out);
}

static inline void local_avgpool(const nnom_window_t *w, int32_t shift, const int8_t *in, int8_t *out)
{
    local_avepool_q7_HWC(IMAGE(w, in), GEOMETRY(w), w->out_x, w->out_y, (uint16_t)shift, NULL, out);
}

#define OF_TWO(name, function)                                                                     \
    static inline void name(const int8_t *a, const int8_t *b, int8_t *out, int32_t shift,          \
                            uint32_t n)                                                            \
    {                                                                                              \
        function((q7_t *)(uintptr_t)a, (q7_t *)(uintptr_t)b, out, (uint16_t)shift, n);             \
    }
OF_TWO(local_add, local_add_q7)
OF_TWO(local_sub, local_sub_q7)
OF_TWO(local_mult, local_mult_q7)

/* NNoM's sum pool writes no result, and its int16 activations are not functions of its back end:
 * these cases are left out. */
#define BENCH_LEAVES_OUT 1
#undef NNOM_DENSE_SCRATCH
#define NNOM_DENSE_SCRATCH(columns, rows) ((size_t)0)
#define BENCH_NO_SCRATCH(p) ((void)(p), (size_t)0)

#undef nnom_conv_s8
#undef nnom_conv_s8_scratch
#undef nnom_depthwise_s8
#undef nnom_depthwise_s8_scratch
#undef nnom_conv_trans_s8
#undef nnom_dense_s8
#undef nnom_dense_x4_s8
#undef nnom_dense_x2_s16
#undef nnom_maxpool_s8
#undef nnom_avgpool_s8
#undef nnom_add_s8
#undef nnom_sub_s8
#undef nnom_mult_s8
#undef nnom_relu_s8
#define nnom_conv_s8 local_conv
#define nnom_conv_s8_scratch BENCH_NO_SCRATCH
#define nnom_depthwise_s8 local_depthwise
#define nnom_depthwise_s8_scratch BENCH_NO_SCRATCH
#define nnom_conv_trans_s8 local_conv_trans
#define nnom_dense_s8 local_dense
#define nnom_dense_x4_s8 local_dense_x4
#define nnom_dense_x2_s16 local_dense_x2
#define nnom_maxpool_s8 local_maxpool
#define nnom_avgpool_s8 local_avgpool
#define nnom_add_s8 local_add
#define nnom_sub_s8 local_sub
#define nnom_mult_s8 local_mult
#define nnom_relu_s8(data, n) local_relu_q7(data, n)
#define nnom_sigmoid_s8(data, n, width) local_sigmoid_q7(data, n, width)
#define nnom_softmax_base_two_s8(in, n, out) local_softmax_q7(in, n, out)

#endif
