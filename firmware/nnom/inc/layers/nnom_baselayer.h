/* SPDX-License-Identifier: Apache-2.0
 * A layer that copies; the plainest one, for tests and templates. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_BASELAYER_H
#define NNOM_BASELAYER_H

#ifdef __cplusplus
extern "C" {
#endif

nnom_layer_t *BaseLayer(void);
nnom_layer_t *baselayer_s(const nnom_layer_config_t *config);

#ifdef __cplusplus
}
#endif

#endif
