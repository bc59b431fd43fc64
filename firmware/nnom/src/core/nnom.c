/* SPDX-License-Identifier: Apache-2.0
 * Compilation and run of a model. */
#include "nnom_core.h"

const char default_layer_names[][12] = DEFUALT_LAYER_NAMES;
const char default_activation_names[][8] = ACTIVATION_NAMES;
const char default_cell_names[][8] = DEFUALT_CELL_NAMES;

#define RULE "-------------------------------------------------------------------------------------------------\n"

/* ---- compilation -------------------------------------------------------------------------- */

/* lowest block that nobody owns */
static nnom_mem_block_t *take_block(nnom_mem_block_t *pool, size_t size, uint8_t owners)
{
    for (uint32_t i = 0; i < NNOM_BLOCK_NUM; i++) {
        nnom_mem_block_t *block = &pool[i];
        if (block->owners == 0) {
            size = nnom_alignto(size, NNOM_ALIGN);
            block->owners = owners;
            block->state = NNOM_BUF_FILLED;
            block->size = block->size > size ? block->size : size;
            return block;
        }
    }
    NNOM_LOG("\nERROR! No enough memory block for parallel buffers, please increase the "
             "'NNOM_BLOCK_NUM' in 'nnom_port.h'\n");
    return NULL;
}

/* One more than the number of the largest block that nobody owns, 0 where there is none. */
static uint8_t spare_block(const nnom_mem_block_t *pool)
{
    uint8_t spare = 0;
    for (uint32_t i = 0; i < NNOM_BLOCK_NUM; i++) {
        const bool is_larger = spare == 0 || pool[i].size > pool[spare - 1].size;
        if (pool[i].owners == 0 && is_larger) {
            spare = (uint8_t)(i + 1);
        }
    }
    return spare;
}

static void release_block(nnom_mem_block_t *block)
{
    if (block == NULL) {
        return;
    }
    if (block->owners > 0) {
        block->owners--;
    }
    if (block->owners == 0) {
        block->state = NNOM_BUF_EMPTY;
    }
}

static void release_inputs(nnom_layer_t *layer)
{
    for (nnom_layer_io_t *in = layer->in; in != NULL; in = in->aux) {
        release_block(in->mem);
    }
    if (layer->comp != NULL) {
        release_block(layer->comp->mem);
    }
}

static size_t io_size(nnom_layer_io_t *io)
{
    size_t size = 0;
    for (; io != NULL; io = io->aux) {
        size += tensor_size(io->tensor);
    }
    return size;
}

void nnom_print_macc(size_t macc, const char *none, const char *tail)
{
    const unsigned long n = (unsigned long)macc;
    if (n == 0) {
        NNOM_LOG("%s", none);
    } else if (n < 10000) {
        NNOM_LOG("%7d%s", (int)n, tail);
    } else if (n < 1000000) {
        NNOM_LOG("%6dk%s", (int)(n / 1000), tail);
    } else if (n < 1000000000) {
        NNOM_LOG("%3d.%02dM%s", (int)(n / 1000000), (int)(n % 1000000 / 10000), tail);
    } else {
        NNOM_LOG("%3d.%02dG%s", (int)(n / 1000000000), (int)(n % 1000000000 / 10000000), tail);
    }
}

void nnom_print_name(const nnom_layer_t *layer)
{
    if (layer->type == NNOM_RNN) {
        const nnom_rnn_cell_t *cell = ((const nnom_rnn_layer_t *)layer)->cell;
        NNOM_LOG("%-3s/", default_layer_names[layer->type]);
        NNOM_LOG("%-6s - ", default_cell_names[cell->type]);
    } else {
        NNOM_LOG("%-10s - ", default_layer_names[layer->type]);
    }
}

void nnom_print_shape(const nnom_tensor_t *t)
{
    NNOM_LOG("(");
    for (uint32_t i = 0; i < 3; i++) {
        if (i < t->num_dim) {
            NNOM_LOG("%4d,", t->dim[i]);
        } else {
            NNOM_LOG("     ");
        }
    }
}

static void print_layer(nnom_layer_t *layer, uint32_t index)
{
    NNOM_LOG("#%-3d ", (int)index);
    nnom_print_name(layer);
    if (layer->actail != NULL) {
        NNOM_LOG("%-8s - ", default_activation_names[layer->actail->type]);
    } else {
        NNOM_LOG("         - ");
    }
    nnom_print_shape(layer->out->tensor);
    NNOM_LOG(")  ");
    nnom_print_macc(layer->stat.macc, "        ", " ");
    NNOM_LOG("(%6d,%6d,%6d)", (int)io_size(layer->in), (int)io_size(layer->out),
             layer->comp != NULL ? (int)layer->comp->size : 0);
}

static void print_lifetimes(const nnom_mem_block_t *pool)
{
    NNOM_LOG("   ");
    for (uint32_t i = 0; i < NNOM_BLOCK_NUM; i++) {
        if (i % 4 == 0) {
            NNOM_LOG(" ");
        }
        if (pool[i].owners != 0) {
            NNOM_LOG("%d ", pool[i].owners);
        } else {
            NNOM_LOG("- ");
        }
    }
    NNOM_LOG("\n");
}

/* NN_MORE_TODO: another branch has to deliver an input first. */
static nnom_status_t find_inputs(nnom_layer_t *layer, nnom_mem_block_t *pool)
{
    for (nnom_layer_io_t *in = layer->in; in != NULL; in = in->aux) {
        if (in->hook.io != NULL) {
            in->mem = in->hook.io->mem;
        } else if (in->mem == NULL) {
            if (in->tensor == NULL) {
                return NN_ARGUMENT_ERROR; /* neither an input layer nor hooked to one */
            }
            in->mem = take_block(pool, tensor_size_byte(in->tensor), 1);
            if (in->mem == NULL) {
                return NN_NO_MEMORY;
            }
        }
        if (in->mem == NULL || in->mem->state != NNOM_BUF_FILLED) {
            return NN_MORE_TODO;
        }
    }
    return NN_SUCCESS;
}

/* Takes the output's block; consumers counts who will read it. */
static nnom_status_t place_output(nnom_layer_t *layer, nnom_mem_block_t *pool, size_t consumers,
                                  bool shares_input)
{
    if (shares_input) {
        layer->out->mem = layer->in->mem;
        if (consumers > 1) {
            layer->out->mem->owners = (uint8_t)(layer->out->mem->owners + consumers);
        }
        return NN_SUCCESS;
    }
    layer->out->mem = take_block(pool, tensor_size_byte(layer->out->tensor),
                                 (uint8_t)(consumers > 1 ? consumers : 1));
    return layer->out->mem == NULL ? NN_NO_MEMORY : NN_SUCCESS;
}

/* Builds one layer, appends it to the run list and books its memory. */
static nnom_status_t compile_one(nnom_layer_t *first, nnom_layer_t *layer, nnom_mem_block_t *pool,
                                 uint32_t *layer_count)
{
    if (layer->out->tensor != NULL) {
        return NN_MORE_TODO; /* built already: it reads the same layer more than once */
    }
    nnom_status_t status = find_inputs(layer, pool);
    if (status != NN_SUCCESS) {
        return status;
    }
    status = layer->build(layer);
    if (status != NN_SUCCESS || layer->out->tensor == NULL) {
        NNOM_LOG("\nERROR: #%d %s layer could not be built, error code:%d\n",
                 (int)(*layer_count + 1), default_layer_names[layer->type], (int)status);
        return status == NN_SUCCESS ? NN_ARGUMENT_ERROR : status;
    }
    if (layer != first) {
        nnom_layer_t *last = first;
        while (last->shortcut != NULL) {
            last = last->shortcut;
        }
        last->shortcut = layer;
    }
    if (layer->comp != NULL) {
        layer->comp->mem = take_block(pool, layer->comp->size, 1);
        if (layer->comp->mem == NULL) {
            return NN_NO_MEMORY;
        }
    }
    print_layer(layer, ++*layer_count);
    const size_t consumers = nnom_hook_length(&layer->out->hook);
    if (consumers + layer->in->mem->owners > UINT8_MAX) {
        return NN_LENGTH_ERROR; /* owners are counted in a byte */
    }
    /* An in-place layer may write into its input's block only when no other branch still needs
     * that data. */
    const bool shares_input =
        layer->out->type == NNOM_TENSOR_BUF_NULL && layer->in->mem->owners <= 1;
    status = place_output(layer, pool, consumers, shares_input);
    if (status != NN_SUCCESS) {
        return status;
    }
    layer->spare_block = spare_block(pool);
    print_lifetimes(pool);
    if (shares_input && consumers <= 1) {
        /* the block goes on as the output's */
        if (layer->comp != NULL) {
            release_block(layer->comp->mem);
        }
    } else {
        release_inputs(layer);
    }
    return NN_SUCCESS;
}

nnom_status_t compile_layers(nnom_layer_t *first, nnom_layer_t *curr, nnom_mem_block_t *block_pool,
                             uint32_t *layer_count)
{
    nnom_layer_t *layer = curr;
    while (layer != NULL) {
        const nnom_status_t status = compile_one(first, layer, block_pool, layer_count);
        if (status == NN_MORE_TODO) {
            return NN_SUCCESS;
        }
        if (status != NN_SUCCESS) {
            return status;
        }
        if (nnom_hook_length(&layer->out->hook) <= 1) {
            layer = layer->out->hook.io == NULL ? NULL : layer->out->hook.io->owner;
            continue;
        }
        for (nnom_layer_hook_t *hook = &layer->out->hook; hook != NULL; hook = hook->next) {
            const nnom_status_t nested =
                compile_layers(first, hook->io->owner, block_pool, layer_count);
            if (nested != NN_SUCCESS) {
                return nested;
            }
        }
        return NN_SUCCESS;
    }
    return NN_SUCCESS;
}

nnom_status_t set_tailed_activation(nnom_model_t *m)
{
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        if (layer->actail != NULL) {
            layer->actail->tensor = layer->out->tensor;
        }
    }
    return NN_SUCCESS;
}

nnom_status_t model_compile(nnom_model_t *m, nnom_layer_t *input, nnom_layer_t *output)
{
    const uint32_t start_ms = (uint32_t)nnom_ms_get();
    uint32_t layer_count = 0;

    NNOM_NULL_CHECK(m);
    NNOM_NULL_CHECK(input);
    m->head = input;
    m->tail = output != NULL ? output : nnom_last_layer(input);
    if (input->out->tensor != NULL) {
        NNOM_LOG("Error: the model is compiled already.\n");
        return NN_ARGUMENT_ERROR;
    }
    nnom_settle_tails(m);

    NNOM_LOG("NNoM version %d.%d.%d\n", NNOM_MAJORVERSION, NNOM_SUBVERSION, NNOM_REVISION);
    NNOM_LOG("To disable logs, please void the marco 'NNOM_LOG(...)' in 'nnom_port.h'.\n");
#ifdef NNOM_USING_CHW
    NNOM_LOG("Data format: Channel first (CHW)\n");
#else
    NNOM_LOG("Data format: Channel last (HWC)\n");
#endif
#ifdef NNOM_USING_STATIC_MEMORY
    NNOM_LOG("Static memory size set to: %d\n", (int)nnom_static_buf_size());
#endif
    NNOM_LOG("Start compiling model...\n");
    NNOM_LOG("Layer(#)         Activation    output shape    ops(MAC)   mem(in, out, buf)      mem "
             "blk lifetime\n");
    NNOM_LOG(RULE);
    nnom_status_t status = compile_layers(m->head, m->head, m->blocks, &layer_count);
    if (status == NN_SUCCESS && !nnom_is_listed(m, m->tail)) {
        NNOM_LOG(m->tail == NULL
                     ? "\nERROR: the layers form a ring: which of them is the output?\n"
                     : "\nERROR: the output layer is not connected to the input layer\n");
        status = NN_ARGUMENT_ERROR;
    }
    if (status != NN_SUCCESS) {
        return status;
    }
    NNOM_LOG(RULE);
    if (m->tail->type != NNOM_OUTPUT) {
        NNOM_LOG("WARNING: the last layer '%s' is not the Output Layer, please check carefully.\n",
                 default_layer_names[m->tail->type]);
    }

    status = nnom_place_buffers(m, mem_analysis_result(m));
    if (status != NN_SUCCESS) {
        return status;
    }
    NNOM_LOG(" Total memory occupied: %d bytes\n", (int)nnom_mem_stat());
    set_tailed_activation(m);
    nnom_open_views(m);
    m->is_inited = true;
    m->total_ops = 0;
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        m->total_ops += layer->stat.macc;
    }
    const uint32_t end_ms = (uint32_t)nnom_ms_get();
    if (end_ms != 0) {
        NNOM_LOG("Compling done in %d ms\n", (int)(end_ms - start_ms));
    }
    return NN_SUCCESS;
}

size_t model_buffer_size(const nnom_model_t *m)
{
    return m == NULL || !m->is_inited ? 0 : m->buffer_size;
}

nnom_status_t sequencial_compile(nnom_model_t *m)
{
    NNOM_NULL_CHECK(m);
    return model_compile(m, m->head, nnom_last_layer(m->head));
}

nnom_status_t check_model_version(unsigned long model_version)
{
    const int major = (int)(model_version / 10000);
    const int sub = (int)(model_version / 100 % 100);
    const int revision = (int)(model_version % 100);
    if (model_version != NNOM_VERSION) {
        NNOM_LOG("WARNING: model version %d.%d.%d dosen't match nnom version!\n", major, sub,
                 revision);
        return (nnom_status_t)-NN_ARGUMENT_ERROR;
    }
    NNOM_LOG("Model version: %d.%d.%d\n", major, sub, revision);
    return NN_SUCCESS;
}

/* ---- run ---------------------------------------------------------------------------------- */

nnom_status_t layer_run(nnom_layer_t *layer)
{
    NNOM_NULL_CHECK(layer);
    const uint32_t start = (uint32_t)nnom_us_get();
    const nnom_status_t status = layer->run(layer);
    if (layer->actail != NULL && !layer->fuses_relu) {
        layer->actail->run(layer->actail);
    }
    layer->stat.time = (uint32_t)nnom_us_get() - start;
    return status;
}

nnom_status_t model_run_to(nnom_model_t *m, nnom_layer_t *end_layer)
{
    NNOM_NULL_CHECK(m);
    NNOM_NULL_CHECK(m->head);
    if (!m->is_inited) {
        return NN_ARGUMENT_ERROR; /* never compiled, or compiled with an error nobody looked at */
    }
    end_layer = nnom_viewed_layer(m, end_layer);
    int index = 1;
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut, index++) {
        nnom_status_t status = layer_run(layer);
        if (status != NN_SUCCESS) {
            NNOM_LOG("Error: #%d %s layer return error code:%d\n", index,
                     default_layer_names[layer->type], (int)status);
            return status;
        }
        if (m->layer_callback != NULL) {
            status = m->layer_callback(m, layer);
            if (status != NN_SUCCESS) {
                NNOM_LOG("Error: Callback return error code %d at #%d %s layer\n", (int)status,
                         index, default_layer_names[layer->type]);
                return status;
            }
        }
        if (layer == end_layer) {
            break;
        }
    }
    return NN_SUCCESS;
}

nnom_status_t model_run(nnom_model_t *m)
{
    return model_run_to(m, NULL);
}

nnom_status_t model_set_callback(nnom_model_t *m,
                                 nnom_status_t (*layer_callback)(nnom_model_t *m,
                                                                 nnom_layer_t *layer))
{
    NNOM_NULL_CHECK(m);
    if (m->layer_callback != NULL && m->layer_callback != layer_callback) {
        return NN_LENGTH_ERROR;
    }
    m->layer_callback = layer_callback;
    return NN_SUCCESS;
}

void model_delete_callback(nnom_model_t *m)
{
    if (m != NULL) {
        m->layer_callback = NULL;
    }
}

