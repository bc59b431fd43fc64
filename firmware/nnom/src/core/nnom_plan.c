/* SPDX-License-Identifier: Apache-2.0
 * Memory plan: each buffer gets a place of its own in time and space, instead of one of the shared
 * blocks. Largest first, each at the lowest address where nothing alive at the same time lies. */
#include "nnom_core.h"

#if NNOM_MEMORY_PLAN

/* One buffer: a tensor that some layer writes anew, or scratch. It is needed from step first to step
 * last of the run. *place is its offset, then its address. */
typedef struct {
    void **place;
    size_t size;
    uint32_t first, last;
} buffer_t;

/* Where a walk over all buffers stands. There is no list of them: on a small heap it would leave a
 * hole that the network buffer does not fit in. */
typedef struct {
    nnom_layer_t *layer;
    uint32_t step, kind;
} walk_t;

enum { INPUT, OUTPUT, CELL, SCRATCH, KINDS };

#define UNPLACED ((void *)UINTPTR_MAX)

static bool shares_input(const nnom_layer_t *layer)
{
    return layer->out->type == NNOM_TENSOR_BUF_NULL && layer->out->mem == layer->in->mem;
}

/* The io whose buffer an output lies in. */
static nnom_layer_io_t *root_of(nnom_layer_io_t *out)
{
    while (shares_input(out->owner)) {
        nnom_layer_io_t *source = out->owner->in->hook.io;
        if (source == NULL) {
            return out->owner->in; /* the model's input */
        }
        out = source;
    }
    return out;
}

static void **scratch_of_cell(nnom_layer_t *layer)
{
    return &((nnom_rnn_layer_t *)layer)->scratch.blk;
}

static void set(buffer_t *b, void **place, size_t size, uint32_t first, uint32_t last)
{
    b->place = place;
    b->size = nnom_alignto(size, NNOM_ALIGN);
    b->first = first;
    b->last = last;
}

/* The layer's buffer of that kind, if it has one. */
static bool buffer_of(nnom_layer_t *layer, uint32_t kind, uint32_t step, buffer_t *b)
{
    nnom_tensor_t *in = layer->in->tensor, *out = layer->out->tensor;
    switch (kind) {
    case INPUT:
        set(b, &in->p_data, tensor_size_byte(in), step,
            shares_input(layer) ? layer->stat.time : step);
        return layer->in->hook.io == NULL;
    case OUTPUT:
        set(b, &out->p_data, tensor_size_byte(out), step, layer->stat.time);
        return !shares_input(layer);
    case CELL:
        if (layer->type == NNOM_RNN) {
            set(b, scratch_of_cell(layer), layer->comp->size, step, step);
        }
        return layer->type == NNOM_RNN;
    default:
        set(b, &layer->scratch, nnom_scratch_size(layer), step, step);
        return layer->scratch_words > 0;
    }
}

static walk_t begin(const nnom_model_t *m)
{
    const walk_t w = {m->head, 0, 0};
    return w;
}

static bool next(walk_t *w, buffer_t *b)
{
    for (; w->layer != NULL; w->layer = w->layer->shortcut, w->step++, w->kind = 0) {
        while (w->kind < KINDS) {
            if (buffer_of(w->layer, w->kind++, w->step, b)) {
                return true;
            }
        }
    }
    return false;
}

static void use(const nnom_layer_io_t *io, uint32_t step)
{
    nnom_layer_stat_t *stat = &io->owner->stat;
    stat->time = stat->time < step ? step : stat->time;
}

/* Notes the last use of what a layer brings where its time will be. */
static void find_lifetimes(nnom_model_t *m)
{
    uint32_t step = 0;
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut, step++) {
        layer->stat.time = step;
        for (nnom_layer_io_t *in = layer->in; in != NULL; in = in->aux) {
            use(in->hook.io == NULL ? in : root_of(in->hook.io), step);
        }
    }
    use(root_of(m->tail->out), UINT32_MAX); /* nnom_predict() reads it after the run */
    buffer_t b;
    for (walk_t w = begin(m); next(&w, &b);) {
        *b.place = UNPLACED;
    }
}

static void forget_lifetimes(nnom_model_t *m)
{
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        layer->stat.time = 0;
    }
}

static size_t end_of(const buffer_t *b)
{
    return (uintptr_t)*b->place + b->size;
}

/* Whether b, at an offset, lies where another buffer does while both are needed. */
static bool collide(const buffer_t *b, size_t offset, const buffer_t *placed)
{
    return b->first <= placed->last && placed->first <= b->last && offset < end_of(placed) &&
           (uintptr_t)*placed->place < offset + b->size;
}

static void place(nnom_model_t *m, const buffer_t *b)
{
    size_t offset = 0;
    buffer_t other;
    for (walk_t w = begin(m); next(&w, &other);) {
        if (*other.place != UNPLACED && collide(b, offset, &other)) {
            offset = end_of(&other);
            w = begin(m); /* what was passed may be in the way now */
        }
    }
    *b->place = (void *)(uintptr_t)offset;
}

static size_t place_all(nnom_model_t *m)
{
    size_t total = 0;
    while (total <= INT32_MAX) { /* beyond, an offset might wrap */
        buffer_t largest = {NULL, 0, 0, 0}, b;
        for (walk_t w = begin(m); next(&w, &b);) {
            if (*b.place == UNPLACED && (largest.place == NULL || b.size > largest.size)) {
                largest = b;
            }
        }
        if (largest.place == NULL) {
            return total;
        }
        place(m, &largest);
        total = end_of(&largest) > total ? end_of(&largest) : total;
    }
    return SIZE_MAX;
}

/* Scratch of a layer that is not the library's own: only blocks serve it. (Dense and pooling layers
 * have scratch in NNoM's table, but need none.) */
static bool has_foreign_scratch(const nnom_model_t *m)
{
    for (const nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        const bool is_pool =
            layer->type >= NNOM_MAXPOOL && layer->type <= NNOM_GLOBAL_SUMPOOL;
        if (layer->comp != NULL && layer->comp->size > 0 && !is_pool &&
            layer->type != NNOM_DENSE && layer->type != NNOM_RNN) {
            return true;
        }
    }
    return false;
}

size_t nnom_plan_memory(nnom_model_t *m)
{
    if (has_foreign_scratch(m)) {
        return SIZE_MAX;
    }
    find_lifetimes(m);
    const size_t size = place_all(m);
    forget_lifetimes(m);
    return size;
}

static void make_address(void **place, uint8_t *base)
{
    *place = base + (uintptr_t)*place;
}

void nnom_plan_apply(nnom_model_t *m)
{
    uint8_t *base = (uint8_t *)m->buffer;
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        if (layer->in->hook.io == NULL) {
            make_address(&layer->in->tensor->p_data, base);
        }
        if (shares_input(layer)) {
            layer->out->tensor->p_data = layer->in->tensor->p_data;
        } else {
            make_address(&layer->out->tensor->p_data, base);
        }
        if (layer->scratch_words > 0) {
            make_address(&layer->scratch, base);
        }
        if (layer->type == NNOM_RNN) {
            nnom_mem_block_t *scratch = &((nnom_rnn_layer_t *)layer)->scratch;
            make_address(&scratch->blk, base);
            scratch->size = layer->comp->size;
            layer->comp->mem = scratch;
        }
    }
}

#else

size_t nnom_plan_memory(nnom_model_t *m)
{
    (void)m;
    return SIZE_MAX;
}

void nnom_plan_apply(nnom_model_t *m)
{
    (void)m;
}

#endif
