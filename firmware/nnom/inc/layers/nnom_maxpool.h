/* SPDX-License-Identifier: Apache-2.0
 * Max pooling, and what all pooling layers share. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_MAXPOOL_H
#define NNOM_MAXPOOL_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _nnom_maxpool_layer_t {
    nnom_layer_t super;
    nnom_3d_shape_t kernel;
    nnom_3d_shape_t stride;
    nnom_3d_shape_t pad;
    nnom_padding_t padding_type;
    int16_t output_shift;
} nnom_maxpool_layer_t;

/* Sizes are {h, w}, or {w} when num_dim is 1. */
typedef struct _nnom_pool_config_t {
    nnom_layer_config_t super;
    nnom_padding_t padding_type;
    int16_t output_shift;
    int8_t kernel_size[2];
    int8_t stride_size[2];
    int8_t num_dim;
} nnom_pool_config_t;

nnom_layer_t *maxpool_s(const nnom_pool_config_t *config);
nnom_status_t maxpool_build(nnom_layer_t *layer);
nnom_status_t maxpool_run(nnom_layer_t *layer);

/* For pooling layers: what their kernels are called with. */
typedef struct {
    nnom_3d_shape_t in;
    uint16_t out_h, out_w;
    bool wide; /* int16 data */
    const void *src;
    void *dst;
    const nnom_maxpool_layer_t *layer;
} nnom_pool_t;

nnom_pool_t nnom_pool_of(const nnom_layer_t *layer);
/* Fraction bits of the result. A sum's depend on the data, which decide how far it is shifted. */
int32_t nnom_pooled_dec(const nnom_layer_t *layer);

#define NNOM_POOL_VALUES(p, T)                                                               \
    (const T *)(p).src, (p).in.w, (p).in.h, (p).in.c, (p).layer->kernel.w,                   \
        (p).layer->kernel.h, (p).layer->pad.w, (p).layer->pad.h, (p).layer->stride.w,        \
        (p).layer->stride.h, (p).out_w, (p).out_h

#ifdef __cplusplus
}
#endif

#endif
