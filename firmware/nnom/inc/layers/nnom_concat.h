/* SPDX-License-Identifier: Apache-2.0
 * Concatenation along one axis. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_CONCAT_H
#define NNOM_CONCAT_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_concat_layer_t {
    nnom_layer_t super;
    int8_t axis;
} nnom_concat_layer_t;

/* axis as Keras counts it: 0 is the batch; negative counts from the last. */
typedef struct _nnom_concat_config_t {
    nnom_layer_config_t super;
    int8_t axis;
} nnom_concat_config_t;

nnom_layer_t *concat_s(const nnom_concat_config_t *config);
nnom_status_t concat_build(nnom_layer_t *layer);
nnom_status_t concat_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
