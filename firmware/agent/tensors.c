/* SPDX-License-Identifier: Apache-2.0
 * What each layer gave: read where it lies, in pieces, so that it takes no memory. */
#include "agent/agent_internal.h"

/* NNoM has it and does not declare it */
nnom_status_t model_run_to(nnom_model_t *m, nnom_layer_t *end_layer);

#define TENSOR_HEAD 8u /* length u32, CRC-32 u32 */

static nnom_layer_t *layer_at(const agent *a, uint32_t index)
{
    nnom_layer_t *layer = a->m.model->head;
    for (; layer != NULL && index > 0; index--) {
        layer = layer->shortcut;
    }
    return layer;
}

/* Layers behind it write over what a layer gave, so that the model stops there. */
static nnom_status_t stop_at(agent *a, uint32_t index, nnom_layer_t *layer)
{
    if (a->stopped == index + 1u) {
        return NN_SUCCESS;
    }
    agent_forget_states(a->m.model);
    a->last.index = 0; /* the output is no vector's any more */
    a->stopped = 0;
    const nnom_status_t status = model_run_to(a->m.model, layer);
    if (status == NN_SUCCESS) {
        a->stopped = index + 1u;
    }
    return status;
}

void agent_tensor(agent *a, const request *r)
{
    const uint32_t index = get_le16(r->body), from = get_le32(r->body + 2);
    const uint32_t count = get_le16(r->body + 6);
    nnom_layer_t *layer = layer_at(a, index);
    if (layer == NULL || layer->out == NULL || layer->out->tensor == NULL) {
        agent_refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    if (stop_at(a, index, layer) != NN_SUCCESS) {
        agent_refuse(a, r, AGENT_ERROR_NO_MODEL);
        return;
    }
    nnom_tensor_t *tensor = layer->out->tensor;
    const uint8_t *data = tensor->p_data;
    const uint32_t size = (uint32_t)tensor_size_byte(tensor);
    const uint32_t begin = from < size ? from : size;
    const uint32_t left = size - begin;
    uint8_t head[TENSOR_HEAD];
    put_le32(put_le32(head, size), frame_crc32(0, data, size));
    const frame_part parts[2] = {{head, sizeof(head)}, {data + begin, count < left ? count : left}};
    agent_send(AGENT_TENSOR | AGENT_ANSWER, r->seq, a->boot_id, parts, 2);
}
