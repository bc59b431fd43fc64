/* SPDX-License-Identifier: Apache-2.0
 * Pooling over the whole plane. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_GLOBAL_POOL_H
#define NNOM_GLOBAL_POOL_H

#include "layers/nnom_maxpool.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_global_pool_config_t {
    nnom_layer_config_t super;
    int16_t output_shift;
} nnom_global_pool_config_t;

nnom_layer_t *global_maxpool_s(const nnom_global_pool_config_t *config);
nnom_layer_t *global_avgpool_s(const nnom_global_pool_config_t *config);
nnom_layer_t *global_sumpool_s(const nnom_global_pool_config_t *config);
nnom_status_t global_pool_build(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
