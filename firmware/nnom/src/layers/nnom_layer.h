/* SPDX-License-Identifier: Apache-2.0
 * Private to the layers: what they are made of, and what kinds of them share. */
#ifndef NNOM_LAYER_H
#define NNOM_LAYER_H

#include "../core/nnom_core.h"

/* Fraction bits after an activation: as act_get_dec_bit, with 15 for int16 data. */
int32_t nnom_dec_after(nnom_activation_type_t type, int32_t dec, bool wide);

/* A zeroed layer of struct_size bytes with its primary in and out (kind out_type) and, if asked
 * for, a scratch buffer, all in one allocation; NULL without memory. */
nnom_layer_t *nnom_layer_new(size_t struct_size, nnom_layer_type_t type, uint8_t out_type,
                             bool with_comp, nnom_status_t (*run)(nnom_layer_t *),
                             nnom_status_t (*build)(nnom_layer_t *));
/* Points every input at its producer's tensor. NN_ARGUMENT_ERROR if one has no producer. */
nnom_status_t nnom_layer_take_inputs(nnom_layer_t *layer);
/* A new output tensor of the input's element width; dec is changed by a tail activation that has a
 * format of its own. NN_SIZE_MISMATCH for no elements, or NNOM_SIZE_LIMIT of them. */
nnom_status_t nnom_layer_new_output(nnom_layer_t *layer, const nnom_shape_data_t *dim,
                                    uint8_t num_dim, int32_t dec);
/* For layers that keep their configuration: notes it, passes layer on; layer may be NULL. */
nnom_layer_t *nnom_layer_with_config(nnom_layer_t *layer, const void *config);
/* Whether the layer's data is int16. */
bool nnom_layer_is_wide(const nnom_layer_t *layer);
/* a + b - c, fraction bits or shifts, held within 32 bits whatever a configuration says. */
int32_t nnom_sum_decs(int32_t a, int32_t b, int32_t c);
/* {h, w} of a configuration, or {w} in one dimension; negative sizes become 0. */
nnom_3d_shape_t nnom_size_pair(const int8_t *size, bool is_1d);
/* Cells before the first tap of a SAME window. */
uint16_t nnom_pad_before(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride,
                         uint32_t dilation);
/* NN_ARGUMENT_ERROR unless 0 <= shift[i] <= 30 for all n. */
nnom_status_t nnom_check_shifts(const nnom_qformat_param_t *shift, size_t n);

/* ---- convolutions ---------------------------------------------------------------------------- */

/* Kernels of HWC data take that value; those of CHW data do not. */
#ifdef NNOM_USING_CHW
#define NNOM_PAD_VALUE(value)
#else
#define NNOM_PAD_VALUE(value) , value
#endif

/* The kernels' types (nnom_local.h). */
typedef void (*nnom_conv_q7_t)(const q7_t *, const uint16_t, const uint16_t, const uint16_t,
                               const q7_t *, const uint16_t, const uint16_t, const uint16_t,
                               const uint16_t, const uint16_t, const uint16_t, const uint16_t,
                               const uint16_t, const uint16_t, const q7_t *,
                               const nnom_qformat_param_t *, const nnom_qformat_param_t *,
                               const nnom_qtype_t, q7_t *, const uint16_t, const uint16_t, q15_t *,
                               q7_t *NNOM_PAD_VALUE(const q7_t));
typedef void (*nnom_conv_q15_t)(const q15_t *, const uint16_t, const uint16_t, const uint16_t,
                                const q7_t *, const uint16_t, const uint16_t, const uint16_t,
                                const uint16_t, const uint16_t, const uint16_t, const uint16_t,
                                const uint16_t, const uint16_t, const q7_t *,
                                const nnom_qformat_param_t *, const nnom_qformat_param_t *,
                                const nnom_qtype_t, q15_t *, const uint16_t, const uint16_t,
                                q15_t *, q7_t *);
/* Checks weights (window values an output channel), bias, strides and shifts. */
nnom_status_t nnom_conv_check(const nnom_layer_t *layer, uint32_t channels_out, size_t window);
nnom_status_t nnom_conv_new_output(nnom_layer_t *layer, uint32_t h, uint32_t w, uint32_t channels);
/* Checks, padding, output and MACs of a layer whose inputs are taken. */
nnom_status_t nnom_conv_build(nnom_layer_t *layer, uint32_t channels_out,
                              uint32_t channels_per_filter);
/* Runs the kernel of the data's width. */
nnom_status_t nnom_conv_run(nnom_layer_t *layer, nnom_conv_q7_t narrow, nnom_conv_q15_t wide);

/* ---- pools ----------------------------------------------------------------------------------- */

/* What the kernels are called with. */
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

/* ---- recurrent cells ------------------------------------------------------------------------- */

nnom_rnn_cell_t *nnom_rnn_cell_new(size_t struct_size, nnom_rnn_cell_type_t type, uint16_t units,
                                   const void *config);
/* Whether the tables can work with that many fraction bits. */
bool nnom_rnn_dec_fits(int32_t dec);
/* The tensor's values if it has at least n of them, else NULL. */
const q7_t *nnom_rnn_values(const nnom_tensor_t *t, size_t n);

#endif
