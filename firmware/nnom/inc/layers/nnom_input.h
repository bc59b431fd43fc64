/* SPDX-License-Identifier: Apache-2.0
 * Model input: copies the user's buffer into the network. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_INPUT_H
#define NNOM_INPUT_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_io_layer {
    nnom_layer_t super;
    nnom_3d_shape_t shape;
    nnom_qformat_param_t dec_bit;
    void *buf;
} nnom_io_layer_t;

typedef struct _nnom_io_config_t {
    nnom_layer_config_t super;
    nnom_tensor_t *tensor;
} nnom_io_config_t;

nnom_layer_t *input_s(const nnom_io_config_t *config);
nnom_status_t input_build(nnom_layer_t *layer);
nnom_status_t input_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
