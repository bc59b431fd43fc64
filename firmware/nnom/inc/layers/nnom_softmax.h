/* SPDX-License-Identifier: Apache-2.0
 * Softmax over the whole tensor; the result is Q0.7. To base e; or, as NNoM has it, to base two of
 * the integers whatever their format: the order is the same, probabilities are not. The latter is
 * also what is done where the input's format is not known, see nnom_layer_set_dec(). */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_SOFTMAX_H
#define NNOM_SOFTMAX_H

#ifdef __cplusplus
extern "C" {
#endif

#define NNOM_SOFTMAX_BASE_TWO 1

/* base: 0, or NNOM_SOFTMAX_BASE_TWO. */
typedef struct _nnom_softmax_config_t {
    nnom_layer_config_t super;
    uint8_t base NNOM_OR_ZERO;
} nnom_softmax_config_t;

nnom_layer_t *softmax_s(const nnom_softmax_config_t *config);
nnom_status_t softmax_build(nnom_layer_t *layer);
nnom_status_t softmax_run(nnom_layer_t *layer);
nnom_status_t softmax_base_two_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
