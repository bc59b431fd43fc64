/* SPDX-License-Identifier: Apache-2.0
 * Another shape for the same data, in place. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_RESHAPE_H
#define NNOM_RESHAPE_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nnom_reshape_layer_t {
    nnom_layer_t super;
    nnom_shape_data_t *dim;
    uint8_t num_dim;
} nnom_reshape_layer_t;

typedef struct nnom_reshape_config_t {
    nnom_layer_config_t super;
    nnom_shape_data_t *dim;
    uint8_t num_dim;
} nnom_reshape_config_t;

nnom_layer_t *reshape_s(const nnom_reshape_config_t *config);
nnom_status_t reshape_build(nnom_layer_t *layer);
nnom_status_t reshape_run(nnom_layer_t *layer);

/* For layers that only change the shape: in place, except that channel-first data moves. */
#ifdef NNOM_USING_CHW
#define NNOM_RESHAPED_BUF NNOM_TENSOR_BUF_TEMP
#else
#define NNOM_RESHAPED_BUF NNOM_TENSOR_BUF_NULL
#endif
nnom_status_t nnom_reshape_copy(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
