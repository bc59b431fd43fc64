/* SPDX-License-Identifier: Apache-2.0
 * Cropping of the borders. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_CROPPING_H
#define NNOM_CROPPING_H

#include "layers/nnom_zero_padding.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef nnom_zero_padding_layer_t nnom_cropping_layer_t;
typedef nnom_zero_padding_config_t nnom_cropping_config_t;

nnom_layer_t *cropping_s(const nnom_cropping_config_t *config);
nnom_status_t cropping_build(nnom_layer_t *layer);
nnom_status_t cropping_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
