/* SPDX-License-Identifier: Apache-2.0
 * Flatten to one dimension; data stays in place. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_FLATTEN_H
#define NNOM_FLATTEN_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_flatten_config_t {
    nnom_layer_config_t super;
} nnom_flatten_config_t;

nnom_layer_t *flatten_s(const nnom_flatten_config_t *config);
nnom_status_t flatten_build(nnom_layer_t *layer);
nnom_status_t flatten_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
