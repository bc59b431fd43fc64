/* SPDX-License-Identifier: Apache-2.0
 * Fully connected layer. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_DENSE_H
#define NNOM_DENSE_H

#ifdef __cplusplus
extern "C" {
#endif

/* A configuration can say that each unit has formats and shifts of its own (per_axis); the rows of
 * its weights are in plain order then, whatever DENSE_WEIGHT_OPT. NNoM's own layer has one format. */
#define NNOM_DENSE_PER_AXIS 1

typedef struct _nnom_dense_layer_t {
    nnom_layer_t super;
    size_t output_unit;
    nnom_tensor_t *weight;
    nnom_tensor_t *bias;
    nnom_qformat_param_t *output_rshift;
    nnom_qformat_param_t *bias_lshift;
    bool per_axis;
} nnom_dense_layer_t;

typedef struct _nnom_dense_config_t {
    nnom_layer_config_t super;
    nnom_qtype_t qtype;
    nnom_tensor_t *weight;
    nnom_tensor_t *bias;
    nnom_qformat_param_t *output_shift;
    nnom_qformat_param_t *bias_shift;
    bool per_axis NNOM_OR_ZERO;
} nnom_dense_config_t;

nnom_layer_t *dense_s(const nnom_dense_config_t *config);
nnom_status_t dense_build(nnom_layer_t *layer);
nnom_status_t dense_run(nnom_layer_t *layer);
nnom_status_t dense_free(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
