/* SPDX-License-Identifier: Apache-2.0
 * A layer made of the user's own functions. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_LAMBDA_H
#define NNOM_LAMBDA_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_lambda_layer_t {
    nnom_layer_t super;
    void *parameters;
} nnom_lambda_layer_t;

typedef struct _nnom_lambda_config_t {
    nnom_layer_config_t super;
    nnom_status_t (*run_func_name)(nnom_layer_t *layer);
    nnom_status_t (*build_func_name)(nnom_layer_t *layer);
    nnom_status_t (*free_func_name)(nnom_layer_t *layer);
    void *parameters;
} nnom_lambda_config_t;

nnom_layer_t *lambda_s(const nnom_lambda_config_t *config);

#ifdef __cplusplus
}
#endif

#endif
