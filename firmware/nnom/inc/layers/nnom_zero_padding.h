/* SPDX-License-Identifier: Apache-2.0
 * Zero padding of the borders. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_ZERO_PADDING_H
#define NNOM_ZERO_PADDING_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_zero_padding_layer_t {
    nnom_layer_t super;
    nnom_border_t pad;
} nnom_zero_padding_layer_t;

typedef struct _nnom_zero_padding_config_t {
    nnom_layer_config_t super;
    nnom_border_t pad;
} nnom_zero_padding_config_t;

nnom_layer_t *zeropadding_s(const nnom_zero_padding_config_t *config);
nnom_status_t zero_padding_build(nnom_layer_t *layer);
nnom_status_t zero_padding_run(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
