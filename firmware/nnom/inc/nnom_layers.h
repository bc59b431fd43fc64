/* SPDX-License-Identifier: Apache-2.0
 * Constructors of the layer API, and helpers that layers share. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_LAYERS_H
#define NNOM_LAYERS_H

#include "layers/nnom_activation.h"
#include "layers/nnom_concat.h"
#include "layers/nnom_conv2d.h"
#include "layers/nnom_cropping.h"
#include "layers/nnom_conv2d_trans.h"
#include "layers/nnom_dense.h"
#include "layers/nnom_dw_conv2d.h"
#include "layers/nnom_flatten.h"
#include "layers/nnom_reshape.h"
#include "layers/nnom_global_pool.h"
#include "layers/nnom_input.h"
#include "layers/nnom_lambda.h"
#include "layers/nnom_matrix.h"
#include "layers/nnom_maxpool.h"
#include "layers/nnom_avgpool.h"
#include "layers/nnom_output.h"
#include "layers/nnom_rnn.h"
#include "layers/nnom_softmax.h"
#include "layers/nnom_sumpool.h"
#include "layers/nnom_upsample.h"
#include "layers/nnom_zero_padding.h"
#include "layers/nnom_simple_cell.h"
#include "layers/nnom_lstm_cell.h"
#include "layers/nnom_gru_cell.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NN_CEILIF(x, y) (((x) + (y) - 1) / (y))

/* Shapes, in h, w, c order. */
nnom_3d_shape_t shape(size_t h, size_t w, size_t c);
nnom_3d_shape_t kernel(size_t h, size_t w);
nnom_3d_shape_t stride(size_t h, size_t w);
nnom_3d_shape_t dilation(size_t h, size_t w);
nnom_border_t border(size_t top, size_t bottom, size_t left, size_t right);
size_t shape_size(nnom_3d_shape_t *s);

nnom_layer_io_t *io_init(void *owner_layer, nnom_layer_io_t *io);
/* A new io behind targeted_io; NULL if it has no owner, has one already, or without memory. */
nnom_layer_io_t *io_add_aux(nnom_layer_io_t *targeted_io);

/* Every constructor returns NULL when there is no memory. Weights and configurations stay the
 * caller's and must outlive the model. */
nnom_layer_t *Input(nnom_3d_shape_t input_shape, void *p_buf);
/* Copies the model's output to p_buf. With fewer values declared than the model gives, compilation is
 * NN_SIZE_MISMATCH (NNOM_COMPAT_043: not looked at, as in NNoM). */
nnom_layer_t *Output(nnom_3d_shape_t output_shape, void *p_buf);
nnom_layer_t *MaxPool(nnom_3d_shape_t k, nnom_3d_shape_t s, nnom_padding_t pad);
nnom_layer_t *AvgPool(nnom_3d_shape_t k, nnom_3d_shape_t s, nnom_padding_t pad);
nnom_layer_t *SumPool(nnom_3d_shape_t k, nnom_3d_shape_t s, nnom_padding_t pad);
nnom_layer_t *GlobalMaxPool(void);
nnom_layer_t *GlobalAvgPool(void);
nnom_layer_t *GlobalSumPool(void);
nnom_layer_t *UpSample(nnom_3d_shape_t kernel);
nnom_layer_t *ZeroPadding(nnom_border_t pad);
nnom_layer_t *Cropping(nnom_border_t pad);
nnom_layer_t *Activation(nnom_activation_t *act);
nnom_layer_t *ReLU(void);
nnom_layer_t *LeakyReLU(float alpha);
nnom_layer_t *AdvReLU(float alpha, float max, float threshold);
nnom_layer_t *Softmax(void);
nnom_layer_t *SoftmaxBaseTwo(void);
nnom_layer_t *Sigmoid(int32_t dec_bit);
nnom_layer_t *TanH(int32_t dec_bit);
nnom_layer_t *Add(int16_t oshift);
nnom_layer_t *Sub(int16_t oshift);
nnom_layer_t *Mult(int16_t oshift);
nnom_layer_t *Flatten(void);
nnom_layer_t *Concat(int8_t axis);
nnom_layer_t *Conv2D(uint32_t filters, nnom_3d_shape_t k, nnom_3d_shape_t s, nnom_3d_shape_t d,
                     nnom_padding_t pad, const nnom_weight_t *w, const nnom_bias_t *b);
nnom_layer_t *Conv2DTrans(uint32_t filters, nnom_3d_shape_t k, nnom_3d_shape_t s,
                          nnom_3d_shape_t d, nnom_padding_t pad, const nnom_weight_t *w,
                          const nnom_bias_t *b);
nnom_layer_t *DW_Conv2D(uint32_t multiplier, nnom_3d_shape_t k, nnom_3d_shape_t s,
                        nnom_3d_shape_t d, nnom_padding_t pad, const nnom_weight_t *w,
                        const nnom_bias_t *b);
nnom_layer_t *Dense(size_t output_unit, const nnom_weight_t *w, const nnom_bias_t *b);
nnom_layer_t *Lambda(nnom_status_t (*run)(nnom_layer_t *), nnom_status_t (*build)(nnom_layer_t *),
                     nnom_status_t (*free)(nnom_layer_t *), void *parameters);

/* Headers of NNoM before 0.4 call convolutions without a dilation; with the switch six arguments are
 * taken too. */
#ifdef NNOM_API_BEFORE_04
#define NNOM_CONV_6(name, f, k, s, pad, w, b) (name)(f, k, s, dilation(1, 1), pad, w, b)
#define NNOM_CONV_7(name, f, k, s, d, pad, w, b) (name)(f, k, s, d, pad, w, b)
#define NNOM_CONV_PICK(a1, a2, a3, a4, a5, a6, a7, picked, ...) picked
#define NNOM_CONV(name, ...)                                                                       \
    NNOM_CONV_PICK(__VA_ARGS__, NNOM_CONV_7, NNOM_CONV_6, )(name, __VA_ARGS__)
#define Conv2D(...) NNOM_CONV(Conv2D, __VA_ARGS__)
#define DW_Conv2D(...) NNOM_CONV(DW_Conv2D, __VA_ARGS__)
#define Conv2DTrans(...) NNOM_CONV(Conv2DTrans, __VA_ARGS__)
#endif

/* Tells the output's fraction bits, before its activation, of a layer that cannot know them: Input,
 * Conv2D, Dense and others of the layer API, whose weights have shifts only. Returns layer, which may
 * be NULL. NNoM has no such function, and takes no notice with NNOM_COMPAT_043. */
#define NNOM_LAYER_SET_DEC 1
nnom_layer_t *nnom_layer_set_dec(nnom_layer_t *layer, int32_t dec);

/* Output like the input; a copy unless in place. */
nnom_status_t default_build(nnom_layer_t *layer);
nnom_status_t default_run(nnom_layer_t *layer);

/* Activations to attach with model.active(). dec_bit: fraction bits of the data they will see. */
nnom_activation_t *act_relu(void);
nnom_activation_t *act_leaky_relu(float alpha);
nnom_activation_t *act_adv_relu(float negative_slope, float max, float threshold);
nnom_activation_t *act_tanh(int32_t dec_bit);
nnom_activation_t *act_sigmoid(int32_t dec_bit);
nnom_activation_t *act_hard_tanh(int32_t dec_bit);
nnom_activation_t *act_hard_sigmoid(int32_t dec_bit);
nnom_status_t act_tensor_run(nnom_activation_t *act, nnom_tensor_t *tensor);
void act_delete(nnom_activation_t *act);
/* Fraction bits of the result: 7 for tanh and sigmoid and their hard forms, else dec_bit. */
int32_t act_get_dec_bit(nnom_activation_type_t type, int32_t dec_bit);

#ifdef __cplusplus
}
#endif

#endif
