/* SPDX-License-Identifier: Apache-2.0
 * Private to the layers: what they are made of, and what kinds of them share. */
#ifndef NNOM_LAYER_H
#define NNOM_LAYER_H

#include "../core/nnom_core.h"
#include "../kernels/kernels.h"

/* Fraction bits after an activation: as act_get_dec_bit, with 15 for int16 data. */
int32_t nnom_dec_after(nnom_activation_type_t type, int32_t dec, bool wide);

/* A zeroed layer of struct_size bytes with its primary in and out (kind out_type) and, if asked
 * for, a scratch buffer, all in one allocation; NULL without memory. */
nnom_layer_t *nnom_layer_new(size_t struct_size, nnom_layer_type_t type, uint8_t out_type,
                             bool with_comp, nnom_status_t (*run)(nnom_layer_t *),
                             nnom_status_t (*build)(nnom_layer_t *));
/* Points every input at its producer's tensor. NN_ARGUMENT_ERROR if one has no producer. */
nnom_status_t nnom_layer_take_inputs(nnom_layer_t *layer);
/* A new output tensor of the input's element width; dec is changed by a tail activation that has a
 * format of its own. NN_SIZE_MISMATCH for no elements, or NNOM_SIZE_LIMIT of them. */
nnom_status_t nnom_layer_new_output(nnom_layer_t *layer, const nnom_shape_data_t *dim,
                                    uint8_t num_dim, int32_t dec);
/* For layers that keep their configuration: notes it, passes layer on; layer may be NULL. */
nnom_layer_t *nnom_layer_with_config(nnom_layer_t *layer, const void *config);
/* Whether the layer's data is int16. */
bool nnom_layer_is_wide(const nnom_layer_t *layer);
/* Whether the layer's data is int8, channel last. */
bool nnom_layer_is_hwc_s8(const nnom_layer_t *layer);
/* Lets the kernel clamp at zero, if its data is int8 and a ReLU is the layer's tail. */
void nnom_layer_fuse_relu(nnom_layer_t *layer);
/* a + b - c, fraction bits or shifts, held within 32 bits whatever a configuration says. */
int32_t nnom_sum_decs(int32_t a, int32_t b, int32_t c);
/* {h, w} of a configuration, or {w} in one dimension; negative sizes become 0. */
nnom_3d_shape_t nnom_size_pair(const int8_t *size, bool is_1d);
/* Cells before the first tap of a SAME window. */
uint16_t nnom_pad_before(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride,
                         uint32_t dilation);
/* NN_ARGUMENT_ERROR unless 0 <= shift[i] <= 30 for all n. */
nnom_status_t nnom_check_shifts(const nnom_qformat_param_t *shift, size_t n);

/* ---- kernels ----------------------------------------------------------------------------------- */

/* The kernel of this build's layout; width is s8 or s16. */
#ifdef NNOM_USING_CHW
#define NNOM_LAYOUT(operation, width) nnom_##operation##_chw_##width
#else
#define NNOM_LAYOUT(operation, width) nnom_##operation##_##width
#endif

/* The window of a layer over its input; dilation NULL is none. */
nnom_window_t nnom_layer_window(const nnom_layer_t *layer, const nnom_3d_shape_t *kernel,
                                const nnom_3d_shape_t *stride, const nnom_3d_shape_t *pad,
                                const nnom_3d_shape_t *dilation);
/* The input as kernels that only move data see it. */
nnom_picture_t nnom_layer_picture(const nnom_layer_t *layer);

/* ---- convolutions ------------------------------------------------------------------------------ */

typedef void nnom_conv_narrow_t(const nnom_conv_t *, const int8_t *, int8_t *);
typedef void nnom_conv_wide_t(const nnom_conv_t *, const int16_t *, int16_t *);
/* Checks weights (window values an output channel), bias, strides and shifts. */
nnom_status_t nnom_conv_check(const nnom_layer_t *layer, uint32_t channels_out, size_t window);
nnom_status_t nnom_conv_new_output(nnom_layer_t *layer, uint32_t h, uint32_t w, uint32_t channels);
/* Checks, padding, output and MACs of a layer whose inputs are taken. */
nnom_status_t nnom_conv_build(nnom_layer_t *layer, uint32_t channels_out,
                              uint32_t channels_per_filter);
/* What a kernel is told, of a layer that has its output. */
nnom_conv_t nnom_conv_parameters(const nnom_layer_t *layer);
/* Runs the kernel of the data's width. */
nnom_status_t nnom_conv_run(nnom_layer_t *layer, nnom_conv_narrow_t *narrow, nnom_conv_wide_t *wide);

/* ---- pools ----------------------------------------------------------------------------------- */

nnom_window_t nnom_pool_window(const nnom_layer_t *layer);
/* Fraction bits of the result. A sum's depend on the data, which decide how far it is shifted. */
int32_t nnom_pooled_dec(const nnom_layer_t *layer);

/* ---- recurrent cells ------------------------------------------------------------------------- */

nnom_rnn_cell_t *nnom_rnn_cell_new(size_t struct_size, nnom_rnn_cell_type_t type, uint16_t units,
                                   const void *config);
/* Whether the tables can work with that many fraction bits. */
bool nnom_rnn_dec_fits(int32_t dec);
/* The tensor's values if it has at least n of them, else NULL. */
const q7_t *nnom_rnn_values(const nnom_tensor_t *t, size_t n);
/* out[rows] = weights[rows][columns] in, the weights in the order "q7_q15"; bias may be NULL. */
void nnom_rnn_product(const nnom_tensor_t *weights, uint32_t columns, uint32_t rows,
                      int32_t out_shift, const q7_t *bias, int32_t bias_shift, const q15_t *in,
                      q15_t *out);

#endif
