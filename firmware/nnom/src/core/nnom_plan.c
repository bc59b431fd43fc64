/* SPDX-License-Identifier: Apache-2.0
 * Memory plan: each buffer gets a place of its own in time and space, instead of one of the shared
 * blocks. Largest first, each at the lowest address where nothing alive at the same time lies. */
#include "nnom_core.h"

#if NNOM_MEMORY_PLAN

/* One buffer: a tensor that some layer writes anew, or scratch (io NULL). It is needed from step
 * first to step last of the run; its address is to be in *place. */
typedef struct {
    void **place;
    const nnom_layer_io_t *io;
    size_t size, offset;
    uint32_t first, last;
    bool placed;
} buffer_t;

typedef struct {
    buffer_t *buffers;
    uint32_t count;
} plan_t;

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

static void add(plan_t *p, void **place, const nnom_layer_io_t *io, size_t size, uint32_t step)
{
    const buffer_t b = {place, io, nnom_alignto(size, NNOM_ALIGN), 0, step, step, false};
    p->buffers[p->count++] = b;
}

static void add_tensor(plan_t *p, nnom_layer_io_t *io, uint32_t step)
{
    add(p, &io->tensor->p_data, io, tensor_size_byte(io->tensor), step);
}

static void **scratch_of_cell(nnom_layer_t *layer)
{
    return &((nnom_rnn_layer_t *)layer)->scratch.blk;
}

static void use(plan_t *p, const nnom_layer_io_t *io, uint32_t step)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->buffers[i].io == io && p->buffers[i].last < step) {
            p->buffers[i].last = step;
        }
    }
}

static uint32_t count_layers(const nnom_model_t *m)
{
    uint32_t n = 0;
    for (const nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        n++;
    }
    return n;
}

static void find_lifetimes(nnom_model_t *m, plan_t *p)
{
    uint32_t step = 0;
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut, step++) {
        if (layer->in->hook.io == NULL) {
            add_tensor(p, layer->in, step);
        }
        for (nnom_layer_io_t *in = layer->in; in != NULL; in = in->aux) {
            use(p, in->hook.io == NULL ? in : root_of(in->hook.io), step);
        }
        if (!shares_input(layer)) {
            add_tensor(p, layer->out, step);
        }
        if (layer->type == NNOM_RNN) {
            add(p, scratch_of_cell(layer), NULL, layer->comp->size, step);
        }
        if (layer->scratch_words > 0) {
            add(p, &layer->scratch, NULL, nnom_scratch_size(layer), step);
        }
    }
    use(p, root_of(m->tail->out), UINT32_MAX); /* nnom_predict() reads it after the run */
}

static bool collide(const buffer_t *a, const buffer_t *b)
{
    return a->first <= b->last && b->first <= a->last && a->offset < b->offset + b->size &&
           b->offset < a->offset + a->size;
}

static void place(plan_t *p, buffer_t *b)
{
    b->offset = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const buffer_t *other = &p->buffers[i];
        if (other->placed && collide(b, other)) {
            b->offset = other->offset + other->size;
            i = UINT32_MAX; /* from the start: what was passed may be in the way now */
        }
    }
    b->placed = true;
}

static size_t place_all(plan_t *p)
{
    size_t total = 0;
    while (total <= INT32_MAX) { /* beyond, an offset might wrap */
        buffer_t *largest = NULL;
        for (uint32_t i = 0; i < p->count; i++) {
            buffer_t *b = &p->buffers[i];
            if (!b->placed && (largest == NULL || b->size > largest->size)) {
                largest = b;
            }
        }
        if (largest == NULL) {
            return total;
        }
        place(p, largest);
        total = largest->offset + largest->size > total ? largest->offset + largest->size : total;
    }
    return SIZE_MAX;
}

/* Leaves each offset where the address will be. */
static void note_offsets(const plan_t *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        *p->buffers[i].place = (void *)(uintptr_t)p->buffers[i].offset;
    }
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
    const uint32_t layers = count_layers(m);
    plan_t plan = {nnom_malloc((3 * layers + 1) * sizeof(buffer_t)), 0};
    if (plan.buffers == NULL) {
        return SIZE_MAX; /* no memory to plan with: the blocks need none */
    }
    find_lifetimes(m, &plan);
    const size_t size = place_all(&plan);
    note_offsets(&plan);
    nnom_mem_release(plan.buffers);
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
