/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution with a depth multiplier. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_DW_CONV2D_H
#define NNOM_DW_CONV2D_H

#include "layers/nnom_conv2d.h"

#ifdef __cplusplus
extern "C" {
#endif

nnom_layer_t *dw_conv2d_s(const nnom_conv2d_config_t *config);
nnom_status_t dw_conv2d_build(nnom_layer_t *layer);
nnom_status_t dw_conv2d_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
