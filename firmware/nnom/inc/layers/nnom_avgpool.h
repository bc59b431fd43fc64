/* SPDX-License-Identifier: Apache-2.0
 * Average pooling. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_AVGPOOL_H
#define NNOM_AVGPOOL_H

#include "layers/nnom_maxpool.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef nnom_maxpool_layer_t nnom_avgpool_layer_t;

nnom_layer_t *avgpool_s(const nnom_pool_config_t *config);
nnom_status_t avgpool_build(nnom_layer_t *layer);
nnom_status_t avgpool_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
