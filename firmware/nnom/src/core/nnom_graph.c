/* SPDX-License-Identifier: Apache-2.0
 * Model object: construction of the graph, activations attached to layers, deletion. */
#include "nnom_core.h"

size_t nnom_io_length(nnom_layer_io_t *io)
{
    size_t n = 0;
    for (; io != NULL; io = io->aux) {
        n++;
    }
    return n;
}

size_t nnom_hook_length(nnom_layer_hook_t *hook)
{
    size_t n = 0;
    for (; hook != NULL && hook->io != NULL; hook = hook->next) {
        n++;
    }
    return n;
}

nnom_layer_t *nnom_last_layer(nnom_layer_t *layer)
{
    uint16_t left = UINT16_MAX; /* more layers than any model has are a ring */
    while (layer != NULL && layer->out->hook.io != NULL) {
        layer = --left == 0 ? NULL : layer->out->hook.io->owner;
    }
    return layer;
}

/* ---- layers ---------------------------------------------------------------------------------- */

static void free_ios(nnom_layer_io_t *io, bool own_tensors)
{
    bool is_primary = true; /* the primary io is part of the layer */
    while (io != NULL) {
        nnom_layer_io_t *next_io = io->aux;
        if (own_tensors) {
            delete_tensor(io->tensor);
        }
        for (nnom_layer_hook_t *hook = io->hook.next; hook != NULL;) {
            nnom_layer_hook_t *next_hook = hook->next;
            nnom_free(hook);
            hook = next_hook;
        }
        if (!is_primary) {
            nnom_free(io);
        }
        is_primary = false;
        io = next_io;
    }
}

void nnom_layer_delete(nnom_layer_t *layer)
{
    if (layer == NULL) {
        return;
    }
    if (layer->free != NULL) {
        layer->free(layer);
    }
    free_ios(layer->in, layer->type == NNOM_INPUT);
    free_ios(layer->out, true);
    act_delete(layer->actail);
    nnom_free(layer);
}

/* ---- failures while the graph is made ------------------------------------------------------- */

static nnom_status_t no_memory_build(nnom_layer_t *layer)
{
    (void)layer;
    return NN_NO_MEMORY;
}

/* The graph lacks something behind this layer: compilation will say so when it gets here. */
static void mark_incomplete(nnom_layer_t *layer)
{
    if (layer != NULL) {
        layer->build = no_memory_build;
    }
}

/* What cannot be hooked is given up: nobody else would ever free a layer that no model reaches. */
static void give_up(nnom_layer_t *layer)
{
    if (layer == NULL) {
        return;
    }
    if (layer->in->hook.io == NULL && layer->out->hook.io == NULL) {
        nnom_layer_delete(layer);
    } else {
        mark_incomplete(layer);
    }
}

/* ---- construction ---------------------------------------------------------------------------- */

static nnom_status_t model_add(nnom_model_t *m, nnom_layer_t *layer)
{
    if (layer == NULL) {
        NNOM_LOG("Error: added a NULL layer, could be no memory while creating layer.\n");
        mark_incomplete(m == NULL ? NULL : nnom_last_layer(m->head));
        return NN_NO_MEMORY;
    }
    NNOM_NULL_CHECK(m);
    if (m->head == NULL) {
        m->head = layer;
        return NN_SUCCESS;
    }
    nnom_layer_t *last = nnom_last_layer(m->head);
    if (last == layer || last == NULL) {
        return NN_ARGUMENT_ERROR;
    }
    last->out->hook.io = layer->in;
    layer->in->hook.io = last->out;
    return NN_SUCCESS;
}

/* a free place among the layer's inputs; NULL without memory */
static nnom_layer_io_t *free_input(nnom_layer_t *layer)
{
    nnom_layer_io_t *in = layer->in;
    if (in->hook.io == NULL) {
        return in;
    }
    while (in->aux != NULL) {
        in = in->aux;
    }
    return io_add_aux(in);
}

/* a free hook of the layer's output; NULL without memory */
static nnom_layer_hook_t *free_hook(nnom_layer_t *layer)
{
    nnom_layer_hook_t *hook = &layer->out->hook;
    if (hook->io == NULL) {
        return hook;
    }
    while (hook->next != NULL) {
        hook = hook->next;
    }
    hook->next = nnom_mem(sizeof(nnom_layer_hook_t));
    return hook->next;
}

static nnom_layer_t *model_hook(nnom_layer_t *curr, nnom_layer_t *last)
{
    if (curr == NULL || last == NULL) {
        mark_incomplete(last);
        give_up(curr);
        return NULL;
    }
    nnom_layer_hook_t *hook = free_hook(last);
    nnom_layer_io_t *in = hook == NULL ? NULL : free_input(curr);
    if (in == NULL) {
        mark_incomplete(last);
        give_up(curr);
        return NULL;
    }
    hook->io = in;
    in->hook.io = last->out;
    return curr;
}

static nnom_layer_t *model_mergex(nnom_layer_t *method, int num, ...)
{
    va_list args;
    va_start(args, num);
    nnom_layer_t *result = method;
    for (int i = 0; i < num; i++) {
        nnom_layer_t *input = va_arg(args, nnom_layer_t *);
        if (result != NULL) {
            result = model_hook(method, input);
        } else {
            mark_incomplete(input);
        }
    }
    va_end(args);
    return result;
}

static nnom_layer_t *model_merge(nnom_layer_t *method, nnom_layer_t *in1, nnom_layer_t *in2)
{
    return model_mergex(method, 2, in1, in2);
}

/* ---- activations attached to layers ----------------------------------------------------------- */

/* NNoM runs a tail in its layer's output, so every consumer of the layer sees it, also one that
 * wants the data from before. Here active() returns a view of the layer that has the activation;
 * the layer itself stays as it was. nnom_settle_tails() makes a tail of each view whose layer
 * nobody else reads, which is all of them in a chain; the others run as layers of their own. */
static nnom_status_t view_run(nnom_layer_t *layer)
{
    return activation_run(layer);
}

static bool is_view(const nnom_layer_t *layer)
{
    return layer->run == view_run;
}

static nnom_layer_t *model_active(nnom_activation_t *act, nnom_layer_t *target)
{
    if (act == NULL || target == NULL) {
        mark_incomplete(target);
        act_delete(act);
        return NULL;
    }
#if NNOM_COMPAT_043
    (void)is_view;
    act_delete(target->actail);
    target->actail = act;
    return target;
#else
    if (is_view(target)) { /* a second activation replaces the first, as in NNoM */
        nnom_activation_layer_t *view = (nnom_activation_layer_t *)target;
        act_delete(view->act);
        view->act = act;
        return target;
    }
    nnom_layer_t *view = Activation(act);
    if (view == NULL) {
        mark_incomplete(target);
        return NULL;
    }
    view->run = view_run;
    return model_hook(view, target);
#endif
}

#if !NNOM_COMPAT_043
/* Takes the view out of its layer's consumers; the view's own consumers go to its place. */
static void make_tail(nnom_layer_t *layer, nnom_layer_hook_t *hook)
{
    nnom_layer_t *view = hook->io->owner;
    nnom_layer_hook_t *consumers = &view->out->hook;
    if (consumers->io != NULL) {
        /* nobody else reads the layer, so `hook` is its first and only one */
        *hook = *consumers;
        for (nnom_layer_hook_t *h = hook; h != NULL; h = h->next) {
            h->io->hook.io = layer->out;
        }
    } else if (hook->next != NULL) {
        nnom_layer_hook_t *next = hook->next;
        *hook = *next;
        nnom_free(next);
    } else if (hook == &layer->out->hook) {
        hook->io = NULL;
    } else {
        nnom_layer_hook_t *before = &layer->out->hook;
        while (before->next != hook) {
            before = before->next;
        }
        before->next = NULL;
        nnom_free(hook);
    }
    consumers->io = NULL;
    consumers->next = NULL;
    view->in->hook.io = layer->out; /* where the view leads, for who still holds it */
    act_delete(layer->actail);
    layer->actail = ((nnom_activation_layer_t *)view)->act;
    ((nnom_activation_layer_t *)view)->act = NULL;
}

static void unlist(nnom_model_t *m, nnom_layer_t *unwanted)
{
    nnom_layer_t *layer = m->head;
    while (layer->shortcut != unwanted) {
        layer = layer->shortcut;
    }
    layer->shortcut = unwanted->shortcut;
}

/* the hook of a layer's output that leads to its view; a view of two layers is nobody's */
static nnom_layer_hook_t *view_of(nnom_layer_t *layer)
{
    for (nnom_layer_hook_t *h = &layer->out->hook; h != NULL && h->io != NULL; h = h->next) {
        if (is_view(h->io->owner) && h->io->owner->in->aux == NULL) {
            return h;
        }
    }
    return NULL;
}

/* A view is a tail when nobody reads its layer past it, or when nobody uses it: then active()'s
 * result was ignored, and the activation is meant for all. */
static bool is_tail(const nnom_model_t *m, nnom_layer_t *layer, const nnom_layer_t *view)
{
    const bool alone = layer->out->hook.next == NULL;
    const bool unused = view->out->hook.io == NULL && m->tail != view;
    return alone || unused;
}
#endif

void nnom_settle_tails(nnom_model_t *m)
{
#if NNOM_COMPAT_043
    (void)m;
#else
    nnom_list_layers(m);
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        nnom_layer_hook_t *hook;
        while (!is_view(layer) && (hook = view_of(layer)) != NULL &&
               is_tail(m, layer, hook->io->owner)) {
            nnom_layer_t *view = hook->io->owner;
            m->tail = m->tail == view ? layer : m->tail;
            make_tail(layer, hook);
            unlist(m, view);
            view->shortcut = m->views;
            m->views = view;
        }
    }
    for (nnom_layer_t *layer = m->head; layer != NULL;) {
        nnom_layer_t *next = layer->shortcut;
        layer->shortcut = NULL;
        layer = next;
    }
#endif
}

nnom_layer_t *nnom_viewed_layer(nnom_model_t *m, nnom_layer_t *layer)
{
    for (const nnom_layer_t *view = m->views; view != NULL; view = view->shortcut) {
        if (view == layer) {
            return view->in->hook.io->owner;
        }
    }
    return layer;
}

void nnom_open_views(nnom_model_t *m)
{
    for (const nnom_layer_t *view = m->views; view != NULL; view = view->shortcut) {
        view->out->tensor = view->in->hook.io->tensor;
    }
}

/* ---- the list of all layers ---------------------------------------------------------------------- */

bool nnom_is_listed(const nnom_model_t *m, const nnom_layer_t *wanted)
{
    for (const nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        if (layer == wanted) {
            return true;
        }
    }
    return false;
}

void nnom_list_layers(nnom_model_t *m)
{
    nnom_layer_t *last = m->head;
    while (last != NULL && last->shortcut != NULL) {
        last = last->shortcut;
    }
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        for (nnom_layer_hook_t *hook = &layer->out->hook; hook != NULL; hook = hook->next) {
            if (hook->io != NULL && !nnom_is_listed(m, hook->io->owner)) {
                last->shortcut = hook->io->owner;
                last = last->shortcut;
            }
        }
    }
}

/* ---- the model's life ------------------------------------------------------------------------------ */

nnom_model_t *new_model(nnom_model_t *m)
{
    const bool is_allocated = m == NULL;
    if (is_allocated) {
        m = nnom_mem(sizeof(nnom_model_t));
        if (m == NULL) {
            return NULL;
        }
    } else {
        nnom_memset(m, 0, sizeof(nnom_model_t));
    }
    m->is_allocated = is_allocated;
    m->add = model_add;
    m->hook = model_hook;
    m->merge = model_merge;
    m->mergex = model_mergex;
    m->active = model_active;
    return m;
}

static void delete_list(nnom_layer_t *layer)
{
    while (layer != NULL) {
        nnom_layer_t *next = layer->shortcut;
        nnom_layer_delete(layer);
        layer = next;
    }
}

void model_delete(nnom_model_t *m)
{
    if (m == NULL) {
        return;
    }
    nnom_list_layers(m); /* what a failed compilation did not reach is freed too */
    for (nnom_layer_t *view = m->views; view != NULL; view = view->shortcut) {
        view->out->tensor = NULL; /* the viewed layer's */
    }
    delete_list(m->head);
    delete_list(m->views);
    if (m->buffer != NULL) {
        nnom_free(m->buffer);
    }
    if (m->is_allocated) {
        nnom_free(m);
    } else {
        nnom_memset(m, 0, sizeof(nnom_model_t));
    }
    nnom_mem_forget();
}
