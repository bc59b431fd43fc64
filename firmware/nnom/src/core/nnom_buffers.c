/* SPDX-License-Identifier: Apache-2.0
 * The network buffer: planned, or NNoM's blocks one behind the other, with what kernels work in. */
#include "nnom_core.h"

size_t mem_analysis_result(nnom_model_t *m)
{
    size_t total = 0;
    NNOM_LOG("Memory cost by each block:\n ");
    for (uint32_t i = 0; i < NNOM_BLOCK_NUM; i++) {
        NNOM_LOG("blk_%d:%d  ", (int)i, (int)m->blocks[i].size);
        total += m->blocks[i].size;
    }
    NNOM_LOG("\n");
    return total;
}

nnom_status_t block_mem_set(nnom_model_t *m, void *buf)
{
    /* A block of no bytes gets an address too: layers that asked for it may not be skipped. */
    uint8_t *next = (uint8_t *)buf;
    for (uint32_t i = 0; i < NNOM_BLOCK_NUM; i++) {
        m->blocks[i].blk = next;
        next += m->blocks[i].size;
    }
    return NN_SUCCESS;
}

/* Blocks of a model that nnom_plan_memory() does not serve, or that takes no less with it. */
nnom_status_t tensor_mem_set(nnom_model_t *m)
{
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        for (nnom_layer_io_t *in = layer->in; in != NULL; in = in->aux) {
            in->tensor->p_data = in->mem->blk;
        }
        for (nnom_layer_io_t *out = layer->out; out != NULL; out = out->aux) {
            out->tensor->p_data = out->mem->blk;
        }
    }
    return NN_SUCCESS;
}

/* A free block serves where it is large enough; its size is known when all layers are compiled. */
static bool has_spare(const nnom_model_t *m, const nnom_layer_t *layer)
{
    return layer->spare_block > 0 &&
           m->blocks[layer->spare_block - 1].size >= nnom_scratch_size(layer);
}

/* The most that a kernel needs beside the blocks; layers run one after the other. */
static size_t scratch_beside_blocks(const nnom_model_t *m)
{
    size_t largest = 0;
    for (const nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        const size_t size = has_spare(m, layer) ? 0 : nnom_scratch_size(layer);
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* Bytes behind the blocks; in a static buffer scratch is what is left at run. */
static size_t beside_blocks(const nnom_model_t *m)
{
#ifdef NNOM_USING_STATIC_MEMORY
    (void)m;
    return 0;
#else
    return scratch_beside_blocks(m);
#endif
}

static void set_blocks(nnom_model_t *m, size_t beside)
{
    block_mem_set(m, m->buffer);
    tensor_mem_set(m);
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        layer->scratch = layer->scratch_words == 0 ? NULL
                         : has_spare(m, layer)     ? m->blocks[layer->spare_block - 1].blk
                         : beside > 0              ? (uint8_t *)m->buffer + m->buffer_size
                                                   : NULL;
    }
}

/* Whether any kernel had asked for scratch; none has any more. */
static bool forget_scratch(nnom_model_t *m)
{
    bool had = false;
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        had = had || layer->scratch_words > 0;
        layer->scratch_words = 0;
        layer->scratch = NULL;
    }
    return had;
}

nnom_status_t nnom_place_buffers(nnom_model_t *m, size_t blocks_size)
{
    size_t beside;
    bool planned;
    do {
        const size_t planned_size = nnom_plan_memory(m);
        planned = planned_size < blocks_size + scratch_beside_blocks(m);
        m->buffer_size = planned ? planned_size : blocks_size;
        beside = planned ? 0 : beside_blocks(m);
    } while (!nnom_has_room(m->buffer_size + beside) && forget_scratch(m));

    NNOM_LOG(" Memory cost by network buffers: %d bytes", (int)m->buffer_size);
    if (m->buffer_size != blocks_size) {
        NNOM_LOG(" (blocks: %d bytes)", (int)blocks_size);
    }
    NNOM_LOG("\n");
    m->buffer = nnom_mem(m->buffer_size + beside);
    if (m->buffer == NULL) {
        NNOM_LOG("ERROR: No enough memory for network buffer, required %d bytes\n",
                 (int)m->buffer_size);
        return NN_NO_MEMORY;
    }
    if (planned) {
        nnom_plan_apply(m);
    } else {
        set_blocks(m, beside);
    }
    return NN_SUCCESS;
}
