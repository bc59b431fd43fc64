/* SPDX-License-Identifier: Apache-2.0
 * Transposed convolution in one and two dimensions, as Keras has it. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_CONV2D_TRANS_H
#define NNOM_CONV2D_TRANS_H

#include "layers/nnom_conv2d.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef nnom_conv2d_layer_t nnom_conv2d_trans_layer_t;
typedef nnom_conv2d_config_t nnom_conv2d_trans_config_t;

nnom_layer_t *conv2d_trans_s(const nnom_conv2d_trans_config_t *config);
nnom_status_t conv2d_trans_build(nnom_layer_t *layer);
nnom_status_t conv2d_trans_run(nnom_layer_t *layer);

/* SAME: input times stride; VALID: that plus what the kernel reaches beyond it. */
uint32_t conv_trans_output_length(uint32_t input_length, uint32_t filter_size,
                                  nnom_padding_t padding, uint32_t stride, uint32_t dilation);

#ifdef __cplusplus
}
#endif

#endif
