/* SPDX-License-Identifier: Apache-2.0
 * Recurrent layer: runs a cell over the time steps. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_RNN_H
#define NNOM_RNN_H

#ifdef __cplusplus
extern "C" {
#endif

/* The configuration has time_order, which NNoM's lacks: headers for both libraries ask for it. */
#define NNOM_RNN_TIME_ORDER 1

typedef struct _nnom_rnn_config_t {
    nnom_layer_config_t super;
    bool return_sequence;
    bool stateful;
    bool go_backwards;
    bool time_order NNOM_OR_ZERO; /* a backward sequence stands at its own time steps, as in NNoM */
} nnom_rnn_config_t;

/* One time step: in_data (feature_size) and in_state to out_data (units) and out_state. */
typedef struct _nnom_rnn_cell_t {
    nnom_status_t (*run)(struct _nnom_rnn_cell_t *cell);
    nnom_status_t (*build)(struct _nnom_rnn_cell_t *cell);
    nnom_status_t (*free)(struct _nnom_rnn_cell_t *cell);
    nnom_layer_t *layer;
    nnom_layer_config_t *config;
    nnom_rnn_cell_type_t type;
    void *in_data;
    void *out_data;
    void *in_state;
    void *out_state;
    size_t comp_buf_size; /* bytes of scratch, set by build */
    size_t state_size;    /* bytes, set by build */
    uint16_t units;
    uint16_t feature_size;
    size_t macc; /* of one time step, set by build */
} nnom_rnn_cell_t;

typedef struct _nnom_rnn_layer_t {
    nnom_layer_t super;
    nnom_rnn_cell_t *cell;
    void *state_buf; /* two states; cleared by each run unless stateful */
    uint16_t timestamp_size;
    bool return_sequence;
    bool stateful;
    bool go_backwards;
    bool time_order;
    nnom_mem_block_t scratch; /* the cell's, where memory is planned */
} nnom_rnn_layer_t;

/* Owns the cell: it is freed with the layer, and when the layer cannot be made. */
nnom_layer_t *rnn_s(nnom_rnn_cell_t *cell, const nnom_rnn_config_t *config);
nnom_status_t rnn_build(nnom_layer_t *layer);
nnom_status_t rnn_run(nnom_layer_t *layer);
nnom_status_t rnn_free(nnom_layer_t *layer);

#ifdef __cplusplus
}
#endif

#endif
