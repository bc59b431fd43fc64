/* SPDX-License-Identifier: Apache-2.0
 * Private to the library: memory, graph, plan and tables, which know no kind of layer. */
#ifndef NNOM_CORE_H
#define NNOM_CORE_H

#include "nnom.h"

/* ---- tensors --------------------------------------------------------------------------------- */

/* An int8 tensor over constant data of the user's; NULL without memory. */
nnom_tensor_t *nnom_tensor_over(const void *data, const nnom_shape_data_t *dim, uint32_t num_dim);
/* Product of the dimensions, 0 for none, NNOM_SIZE_LIMIT for all that is larger. */
uint32_t nnom_dims_size(const nnom_shape_data_t *dim, uint32_t num_dim);
/* Whether the tensor has data and at least n elements. */
bool nnom_tensor_holds(const nnom_tensor_t *t, size_t n);
/* Shape as h, w, c: fewer dimensions are right-aligned, (n) is (1, 1, n). */
nnom_3d_shape_t nnom_tensor_shape3d(const nnom_tensor_t *t);
/* Where element i, counted in h, w, c order, is stored: i itself, or in a channel-first build, where
 * the last dimension is outermost, its place there. */
size_t nnom_tensor_stored_index(const nnom_tensor_t *t, size_t i);

/* ---- memory, graph, plan --------------------------------------------------------------------- */

/* Forgets what nnom_mem_stat() counted. */
void nnom_mem_forget(void);
/* Whether so much can be allocated; says nothing if not. */
bool nnom_has_room(size_t size);
/* Books what the layer's kernel wants; more than 256 KiB are not even asked for. */
void nnom_ask_scratch(nnom_layer_t *layer, size_t size);
size_t nnom_scratch_size(const nnom_layer_t *layer);
/* What the layer's kernel works in; NULL where it asked for nothing or memory was short. Nothing is
 * kept there from run to run: what a static buffer has left serves, if the plan has no place. */
void *nnom_scratch(const nnom_layer_t *layer);
#ifdef NNOM_USING_STATIC_MEMORY
size_t nnom_static_buf_size(void);
#endif
/* The layer reached by following primary outputs; NULL where they lead back. */
nnom_layer_t *nnom_last_layer(nnom_layer_t *layer);
/* Makes the shortcut list hold every layer reachable from the head. */
void nnom_list_layers(nnom_model_t *m);
bool nnom_is_listed(const nnom_model_t *m, const nnom_layer_t *wanted);
/* Decides which activations are tails; what active() returned for those becomes a view. */
void nnom_settle_tails(nnom_model_t *m);
/* The layer that a view stands for, or layer itself. */
nnom_layer_t *nnom_viewed_layer(nnom_model_t *m, nnom_layer_t *layer);
/* Lets views show their layers' tensors. */
void nnom_open_views(nnom_model_t *m);
/* Allocates the network buffer, planned where that takes less than the blocks do, and gives tensors
 * and scratch their addresses. Kernels do without scratch, more slowly, where there is no memory for
 * it. blocks_size: bytes of all blocks. NN_NO_MEMORY. */
nnom_status_t nnom_place_buffers(nnom_model_t *m, size_t blocks_size);
/* Plans the network buffer and returns its size; SIZE_MAX where it cannot be planned. */
size_t nnom_plan_memory(nnom_model_t *m);
/* Turns the plan into addresses in m->buffer. */
void nnom_plan_apply(nnom_model_t *m);
/* Frees a layer, its tensors, hooks and activation. */
void nnom_layer_delete(nnom_layer_t *layer);

/* ---- tables ---------------------------------------------------------------------------------- */

/* Parts of the printed tables: a count with its unit or none, each followed by tail; a shape,
 * without its closing bracket. */
void nnom_print_macc(size_t macc, const char *none, const char *tail);
void nnom_print_shape(const nnom_tensor_t *t);
void nnom_print_name(const nnom_layer_t *layer);

#endif
