/* SPDX-License-Identifier: Apache-2.0
 * Convolution in one and two dimensions. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_CONV2D_H
#define NNOM_CONV2D_H

#ifdef __cplusplus
extern "C" {
#endif

/* A configuration can say what the cells around an image hold (pad_value); NNoM's own has zeros. */
#define NNOM_CONV_PAD_VALUE 1

typedef struct _nnom_conv2d_layer_t {
    nnom_layer_t super;
    nnom_3d_shape_t kernel;
    nnom_3d_shape_t stride;
    nnom_3d_shape_t pad;
    nnom_3d_shape_t dilation;
    nnom_padding_t padding_type;
    q7_t pad_value;
    uint32_t filter_mult; /* filters, or the depth multiplier of a depthwise convolution */
    nnom_tensor_t *weight;
    nnom_tensor_t *bias;
    nnom_qformat_param_t *output_rshift;
    nnom_qformat_param_t *bias_lshift;
} nnom_conv2d_layer_t;

/* Sizes are {h, w}, or {w} for a weight tensor of three dimensions. qtype and padding_size are
 * not used: the weight tensor's own qtype counts. */
typedef struct _nnom_conv2d_config_t {
    nnom_layer_config_t super;
    nnom_qtype_t qtype;
    nnom_tensor_t *weight;
    nnom_tensor_t *bias;
    nnom_qformat_param_t *output_shift;
    nnom_qformat_param_t *bias_shift;
    uint32_t filter_size;
    int8_t kernel_size[2];
    int8_t stride_size[2];
    int8_t padding_size[2];
    int8_t dilation_size[2];
    nnom_padding_t padding_type;
    q7_t pad_value NNOM_OR_ZERO; /* of cells around the image; int8 data in HWC order only, unless it is 0 */
} nnom_conv2d_config_t;

nnom_layer_t *conv2d_s(const nnom_conv2d_config_t *config);
nnom_status_t conv2d_build(nnom_layer_t *layer);
nnom_status_t conv2d_run(nnom_layer_t *layer);
nnom_status_t conv2d_free(nnom_layer_t *layer);

/* Keras' rule; 0 when a valid window does not fit. */
uint32_t conv_output_length(uint32_t input_length, uint32_t filter_size, nnom_padding_t padding,
                            uint32_t stride, uint32_t dilation);

#ifdef __cplusplus
}
#endif

#endif
