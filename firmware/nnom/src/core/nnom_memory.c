/* SPDX-License-Identifier: Apache-2.0
 * Allocation: through the port's malloc, or from one buffer of the user's. */
#include "nnom_core.h"

extern size_t nnom_memory_taken; /* NNoM exports it; users' debuggers and shells read it */
size_t nnom_memory_taken = 0;

#ifdef NNOM_USING_STATIC_MEMORY
static uint8_t *static_buf = NULL;
static size_t static_buf_size = 0;
static size_t static_buf_used = 0;

void nnom_set_static_buf(void *buf, size_t size)
{
    /* the user's buffer may have any alignment */
    const size_t skip = (NNOM_ALIGN - (size_t)((uintptr_t)buf % NNOM_ALIGN)) % NNOM_ALIGN;
    static_buf = buf == NULL ? NULL : (uint8_t *)buf + skip;
    static_buf_size = buf == NULL || size < skip ? 0 : size - skip;
    static_buf_used = 0;
}

size_t nnom_static_buf_size(void)
{
    return static_buf_size;
}

void *nnom_malloc(size_t size)
{
    size = nnom_alignto(size, NNOM_ALIGN);
    if (static_buf_size == 0) {
        NNOM_LOG("Please set static memory using 'nnom_set_static_buf()' before calling model "
                 "created.");
        return NULL;
    }
    if (size > static_buf_size - static_buf_used) {
        NNOM_LOG("No memory! Static buffer size(%d) not big enough, please increase buffer size!",
                 (int)static_buf_size);
        return NULL;
    }
    void *p = static_buf + static_buf_used;
    static_buf_used += size;
    return p;
}

void nnom_free(void *p)
{
    (void)p;
}

bool nnom_has_room(size_t size)
{
    return size <= static_buf_size - static_buf_used;
}

void *nnom_scratch(const nnom_layer_t *layer)
{
    const size_t size = nnom_scratch_size(layer);
    const bool takes_rest = layer->scratch == NULL && size > 0 && nnom_has_room(size);
    return takes_rest ? static_buf + static_buf_used : layer->scratch;
}
#else
bool nnom_has_room(size_t size)
{
    void *p = nnom_malloc(size);
    nnom_free(p);
    return p != NULL;
}

void *nnom_scratch(const nnom_layer_t *layer)
{
    return layer->scratch;
}
#endif

void nnom_ask_scratch(nnom_layer_t *layer, size_t size)
{
    const size_t words = nnom_alignto(size, 8) / 4;
    layer->scratch_words = words > UINT16_MAX ? 0 : (uint16_t)words;
}

size_t nnom_scratch_size(const nnom_layer_t *layer)
{
    return (size_t)layer->scratch_words * 4;
}

size_t nnom_alignto(size_t value, uint32_t alignment)
{
    return alignment == 0 ? value : (value + alignment - 1) / alignment * alignment;
}

void *nnom_mem(size_t size)
{
    size = nnom_alignto(size, NNOM_ALIGN);
    void *p = nnom_malloc(size);
    if (p != NULL) {
        nnom_memory_taken += size;
        nnom_memset(p, 0, size);
    }
    return p;
}

size_t nnom_mem_stat(void)
{
    return nnom_memory_taken;
}

void nnom_mem_forget(void)
{
    nnom_memory_taken = 0;
}
