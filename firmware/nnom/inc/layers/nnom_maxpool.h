/* SPDX-License-Identifier: Apache-2.0
 * Max pooling, and what all pooling layers share. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_MAXPOOL_H
#define NNOM_MAXPOOL_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_maxpool_layer_t {
    nnom_layer_t super;
    nnom_3d_shape_t kernel;
    nnom_3d_shape_t stride;
    nnom_3d_shape_t pad;
    nnom_padding_t padding_type;
    int16_t output_shift;
} nnom_maxpool_layer_t;

/* Sizes are {h, w}, or {w} when num_dim is 1. */
typedef struct _nnom_pool_config_t {
    nnom_layer_config_t super;
    nnom_padding_t padding_type;
    int16_t output_shift;
    int8_t kernel_size[2];
    int8_t stride_size[2];
    int8_t num_dim;
} nnom_pool_config_t;

nnom_layer_t *maxpool_s(const nnom_pool_config_t *config);
nnom_status_t maxpool_build(nnom_layer_t *layer);
nnom_status_t maxpool_run(nnom_layer_t *layer);


#ifdef __cplusplus
}
#endif

#endif
