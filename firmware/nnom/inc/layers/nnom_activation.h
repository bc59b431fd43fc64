/* SPDX-License-Identifier: Apache-2.0
 * Activations, as a layer of their own and as the tail of another layer. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_ACTIVATION_H
#define NNOM_ACTIVATION_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_activation_layer_t {
    nnom_layer_t super;
    nnom_activation_t *act;
} nnom_activation_layer_t;

/* dec_bit: fraction bits of the input. */
typedef struct _nnom_activation_fixed_q_t {
    nnom_activation_t super;
    uint8_t dec_bit;
} nnom_activation_fixed_q_t;

/* alpha: Q0.7. */
typedef struct _nnom_activation_leaky_relu_t {
    nnom_activation_t super;
    q7_t alpha;
} nnom_activation_leaky_relu_t;

/* negative_slope: Q0.7; max and threshold: real values. */
typedef struct _nnom_activation_adv_relu_t {
    nnom_activation_t super;
    q7_t negative_slope;
    float max;
    float threshold;
} nnom_activation_adv_relu_t;

nnom_status_t activation_run(nnom_layer_t *layer);
nnom_status_t activation_free(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
