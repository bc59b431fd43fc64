/* SPDX-License-Identifier: Apache-2.0
 * Softmax over the whole tensor, base two; the result is Q0.7. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_SOFTMAX_H
#define NNOM_SOFTMAX_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_softmax_config_t {
    nnom_layer_config_t super;
} nnom_softmax_config_t;

nnom_layer_t *softmax_s(const nnom_softmax_config_t *config);
nnom_status_t softmax_build(nnom_layer_t *layer);
nnom_status_t softmax_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
