/* SPDX-License-Identifier: Apache-2.0
 * Element-wise add, sub and mult of two to MAX_INPUT_LAYER tensors. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_MATRIX_H
#define NNOM_MATRIX_H

#ifdef __cplusplus
extern "C" {
#endif

#define MAX_INPUT_LAYER 8

typedef struct _nnom_matrix_layer_t {
    nnom_layer_t super;
    int16_t oshift;
} nnom_matrix_layer_t;

typedef struct _nnom_matrix_config_t {
    nnom_layer_config_t super;
    int16_t output_shift;
} nnom_matrix_config_t;

nnom_layer_t *add_s(const nnom_matrix_config_t *config);
nnom_layer_t *sub_s(const nnom_matrix_config_t *config);
nnom_layer_t *mult_s(const nnom_matrix_config_t *config);
nnom_layer_t *_same_shape_matrix_layer(void);
nnom_status_t matrix_build(nnom_layer_t *layer);
nnom_status_t add_run(nnom_layer_t *layer);
nnom_status_t sub_run(nnom_layer_t *layer);
nnom_status_t mult_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
