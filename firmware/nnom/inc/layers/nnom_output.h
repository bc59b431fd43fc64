/* SPDX-License-Identifier: Apache-2.0
 * Model output: copies the network's result into the user's buffer. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_OUTPUT_H
#define NNOM_OUTPUT_H

#include "layers/nnom_input.h"

#ifdef __cplusplus
extern "C" {
#endif

nnom_layer_t *output_s(const nnom_io_config_t *config);
nnom_status_t output_build(nnom_layer_t *layer);
nnom_status_t output_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
