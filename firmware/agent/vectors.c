/* SPDX-License-Identifier: Apache-2.0
 * The agent's main business: vectors, whole, compact or in parts, and NNoM's own counts of them. */
#include <string.h>

#include "agent/agent_internal.h"
#include "agent/compact.h"
#include "platform/platform.h"

#define NO_LABEL 0xFFFFu

/* Notes that a vector is in the counts; false when it already was. */
static bool book(agent *a, uint32_t index)
{
    for (uint32_t i = 0; i < BOOKED; i++) {
        if (a->booked[i] == index + 1u) {
            return false;
        }
    }
    a->booked[a->next_booked++ % BOOKED] = index + 1u;
    return true;
}

/* What stateful layers remember of timing runs is not the vectors' history. */
static void forget_states(nnom_model_t *m)
{
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        if (layer->type == NNOM_RNN) {
            const nnom_rnn_layer_t *rnn = (const nnom_rnn_layer_t *)layer;
            memset(rnn->state_buf, 0, 2u * rnn->cell->state_size);
        }
    }
}

static void answer_vector(const agent *a, const request *r)
{
    uint8_t head[9];
    put_le32(put_le32(head, a->last.index - 1u), a->last.ticks);
    head[8] = (uint8_t)(int8_t)a->last.status;
    const frame_part parts[2] = {{head, sizeof(head)},
                                 {(const uint8_t *)a->m.output, a->m.output_size}};
    agent_send(AGENT_VECTOR | AGENT_ANSWER, r->seq, a->boot_id, parts, 2);
}

/* Runs the input that has been put in place, and answers. */
static void run_vector(agent *a, const request *r, uint32_t index, uint16_t label)
{
    if (index == 0) {
        forget_states(a->m.model);
    }
    const uint64_t start = ticks_now();
    /* a repeated vector is computed again, but counted once */
    if (a->prediction != NULL && label != NO_LABEL && book(a, index)) {
        a->last.status = prediction_run(a->prediction, label, NULL, NULL);
    } else {
        a->last.status = model_run(a->m.model);
    }
    a->last.ticks = (uint32_t)(ticks_now() - start);
    a->last.index = index + 1u;
    answer_vector(a, r);
}

/* Puts an input in place: as it is, or decoded. */
static bool place_input(agent *a, uint8_t type, const uint8_t *data, size_t len)
{
    if (type == AGENT_VECTOR && len == a->m.input_size) {
        memcpy(a->m.input, data, len);
        return true;
    }
#if CONFIG_COMPACT_RING > 0
    return type == AGENT_COMPACT && compact_decode(data, len, CONFIG_COMPACT_STEP,
                                                   CONFIG_COMPACT_STRIDE, a->m.input,
                                                   a->m.input_size);
#else
    return false;
#endif
}

void agent_vector(agent *a, const request *r)
{
    const uint32_t index = get_le32(r->body);
    if (index + 1u == a->last.index) {
        answer_vector(a, r);
        return;
    }
    if (!place_input(a, r->type, r->body + 6, r->len - 6u)) {
        agent_refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    run_vector(a, r, index, get_le16(r->body + 4));
}

/* Takes the part in, if it is one of this vector's; false if it cannot be. */
static bool take_part(assembly *p, size_t offset, const uint8_t *data, size_t len)
{
    const bool is_last = offset + len == p->total;
    if (offset % GRANULE != 0 || len == 0 || offset + len > p->total ||
        (len % GRANULE != 0 && !is_last)) {
        return false;
    }
    memcpy(p->data + offset, data, len);
    for (size_t g = offset / GRANULE; g * GRANULE < offset + len; g++) {
        p->missing -= p->have[g] ? 0u : 1u;
        p->have[g] = 1;
    }
    return true;
}

void agent_part(agent *a, const request *r)
{
    const uint32_t index = get_le32(r->body);
    const size_t total = get_le16(r->body + 7);
    assembly *p = &a->parts;
    if (index + 1u == a->last.index) {
        answer_vector(a, r);
        return;
    }
    if (total == 0 || total > CONFIG_PARTS_SIZE) {
        agent_refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    if (p->index != index + 1u || p->type != r->body[6] || p->total != total) {
        memset(p->have, 0, sizeof(p->have));
        p->index = index + 1u;
        p->label = get_le16(r->body + 4);
        p->type = r->body[6];
        p->total = total;
        p->missing = (total + GRANULE - 1u) / GRANULE;
    }
    if (!take_part(p, get_le16(r->body + 9), r->body + 11, r->len - 11u)) {
        agent_refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    if (p->missing > 0) {
        uint8_t body[6];
        put_le16(put_le32(body, index), get_le16(r->body + 9));
        agent_answer(a, r, body, sizeof(body));
        return;
    }
    p->index = 0;
    if (!place_input(a, p->type, p->data, p->total)) {
        agent_refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    run_vector(a, r, index, p->label);
}

void agent_predict(agent *a, const request *r)
{
    if (get_le16(r->body) > a->m.output_size) {
        agent_refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    a->last.index = 0;
    prediction_delete(a->prediction);
    memset(a->booked, 0, sizeof(a->booked));
    a->prediction = prediction_create(a->m.model, a->m.output, get_le16(r->body), r->body[2]);
    if (a->prediction == NULL) {
        agent_refuse(a, r, AGENT_ERROR_NO_MEMORY);
        return;
    }
    agent_answer(a, r, NULL, 0);
}
