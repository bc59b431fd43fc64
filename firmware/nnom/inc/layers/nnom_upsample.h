/* SPDX-License-Identifier: Apache-2.0
 * Nearest-neighbour upsampling. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_UPSAMPLE_H
#define NNOM_UPSAMPLE_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_upsample_layer_t {
    nnom_layer_t super;
    nnom_3d_shape_t kernel;
} nnom_upsample_layer_t;

typedef struct _nnom_upsample_config_t {
    nnom_layer_config_t super;
    nnom_shape_data_t kernel[2];
} nnom_upsample_config_t;

nnom_layer_t *upsample_s(const nnom_upsample_config_t *config);
nnom_status_t upsample_build(nnom_layer_t *layer);
nnom_status_t upsample_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
