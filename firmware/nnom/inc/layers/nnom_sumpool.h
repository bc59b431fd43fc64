/* SPDX-License-Identifier: Apache-2.0
 * Sum pooling. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_SUMPOOL_H
#define NNOM_SUMPOOL_H

#include "layers/nnom_maxpool.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_maxpool_layer_t nnom_sumpool_layer_t;

nnom_layer_t *sumpool_s(const nnom_pool_config_t *config);
nnom_status_t sumpool_build(nnom_layer_t *layer);
nnom_status_t sumpool_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
