/* SPDX-License-Identifier: Apache-2.0
 * The agent's main business: vectors in slices, their results, and NNoM's own counts. */
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

void agent_forget_states(nnom_model_t *m)
{
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        if (layer->type == NNOM_RNN) {
            const nnom_rnn_layer_t *rnn = (const nnom_rnn_layer_t *)layer;
            memset(rnn->state_buf, 0, 2u * rnn->cell->state_size);
        }
    }
}

/* ---- results: ticks u32, status i8, output ---------------------------------------------------- */

typedef struct {
    const uint8_t *head, *output;
    size_t size;
} result;

static size_t result_size(const agent *a)
{
    return RESULT_HEAD + a->m.output_size;
}

static void send_piece(const agent *a, uint8_t tag, const result *r, size_t from, size_t to)
{
    const size_t offset = from / GRANULE;
    const uint8_t last = to == r->size ? 0x10u : 0u;
    const uint8_t frame[4] = {(uint8_t)(AGENT_ANSWER | AGENT_SLICE | last | (offset >> 8 & 0x0Fu)),
                              a->latest, tag, (uint8_t)offset};
    const size_t begin = from == 0 ? 0u : from - RESULT_HEAD; /* a granule holds the head */
    const frame_part parts[3] = {{frame, sizeof(frame)},
                                 {r->head, from == 0 ? RESULT_HEAD : 0u},
                                 {r->output + begin, to - RESULT_HEAD - begin}};
    agent_send_short(a, parts, 3);
}

/* Sends the units that bits names, from the offset on; unit 0: all of it in one piece. */
static void send_units(const agent *a, uint8_t tag, const result *r, size_t offset, size_t unit,
                       const uint8_t *bits, size_t len)
{
    if (unit == 0) {
        send_piece(a, tag, r, 0, r->size);
        return;
    }
    for (size_t i = 0; i < 8u * len; i++) {
        const size_t from = (offset + i * unit) * GRANULE, to = from + unit * GRANULE;
        if (from < r->size && ((uint32_t)bits[i / 8u] >> (i % 8u) & 1u) != 0u) {
            send_piece(a, tag, r, from, to < r->size ? to : r->size);
        }
    }
}

static void send_all(const agent *a, uint8_t tag, const result *r, size_t unit)
{
    static const uint8_t one = 1;
    const size_t count = unit == 0 ? 1u : (r->size + unit * GRANULE - 1u) / (unit * GRANULE);
    for (size_t i = 0; i < count; i++) {
        send_units(a, tag, r, i * unit, unit, &one, 1);
    }
}

/* ---- vectors: index u32, label u16, form u8, unit u8, input ------------------------------------- */

/* Puts an input in place: as it is (form 0), or decoded (form 1). */
static bool place_input(agent *a, uint8_t form, const uint8_t *data, size_t len)
{
    if (form == 0 && len == a->m.input_size) {
        memcpy(a->m.input, data, len);
        return true;
    }
#if CONFIG_COMPACT_RING > 0
    return form == 1 && compact_decode(data, len, CONFIG_COMPACT_STEP, CONFIG_COMPACT_STRIDE,
                                       a->m.input, a->m.input_size);
#else
    return false;
#endif
}

/* Runs a whole vector; false if it cannot be one. */
static bool run_vector(agent *a, uint8_t tag, const uint8_t *content, size_t len)
{
    if (len < CONTENT_HEAD) {
        return false;
    }
    const uint32_t index = get_le32(content);
    const uint16_t label = get_le16(content + 4);
    /* where nothing is kept, a vector that comes again had its answer lost: states run once */
    if (index + 1u == a->last.index) {
        a->last.tag = tag;
        return true;
    }
    if (!place_input(a, content[6], content + CONTENT_HEAD, len - CONTENT_HEAD)) {
        return false;
    }
    if (index == 0) { /* what timing runs left is not the vectors' history */
        agent_forget_states(a->m.model);
    }
    a->stopped = 0;
    const uint64_t start = ticks_now();
    /* a repeated vector is computed again, but counted once */
    const nnom_status_t status =
        a->prediction != NULL && label != NO_LABEL && book(a, index)
            ? prediction_run(a->prediction, label, NULL, NULL)
            : model_run(a->m.model);
    put_le32(a->last.head, (uint32_t)(ticks_now() - start));
    a->last.head[4] = (uint8_t)(int8_t)status;
    a->last.index = index + 1u;
    a->last.tag = tag;
    return true;
}

static result last_result(const agent *a)
{
    return (result){a->last.head, (const uint8_t *)a->m.output, result_size(a)};
}

static void refuse_short(const agent *a, uint8_t type)
{
    const request r = {.type = type};
    agent_refuse(a, &r, AGENT_ERROR_LENGTH);
}

/* A vector that is whole: run it, answer, and keep the answer where it has room. */
static void complete(agent *a, slot *s, uint8_t tag, const uint8_t *content, size_t len)
{
    const uint8_t unit = len < CONTENT_HEAD ? 0u : content[7];
    if (!run_vector(a, tag, content, len)) {
        if (s != NULL) {
            s->state = SLOT_FREE;
        }
        refuse_short(a, AGENT_SLICE);
        return;
    }
    const result r = last_result(a);
    if (s != NULL) {
        s->state = SLOT_RAN;
        if (r.size <= CONFIG_SLOT_SIZE) {
            s->state = SLOT_ANSWERED;
            memcpy(s->data, r.head, RESULT_HEAD);
            memcpy(s->data + RESULT_HEAD, r.output, a->m.output_size);
        }
    }
    send_all(a, tag, &r, unit);
}

/* The place of a vector's slices; NULL when a newer vector has it. */
static slot *slot_for(agent *a, uint8_t tag)
{
    slot *s = &a->slots[tag % SLOTS];
    if (s->state != SLOT_FREE && s->tag == tag) {
        return s;
    }
    if (s->state != SLOT_FREE && (uint8_t)(tag - s->tag) >= SEQS / 2u) {
        return NULL;
    }
    s->state = SLOT_COLLECTS;
    s->tag = tag;
    s->total = s->have_count = 0;
    memset(s->have, 0, sizeof(s->have));
    return s;
}

/* Keeps a slice; false if it cannot be one. */
static bool keep_slice(slot *s, size_t offset, bool last, const uint8_t *data, size_t len)
{
    if (len == 0 || offset + len > CONFIG_SLOT_SIZE || (len % GRANULE != 0 && !last)) {
        return false;
    }
    memcpy(s->data + offset, data, len);
    for (size_t g = offset / GRANULE; g * GRANULE < offset + len; g++) {
        const uint8_t bit = (uint8_t)(1u << (g % 8u));
        s->have_count += (s->have[g / 8u] & bit) != 0u ? 0u : 1u;
        s->have[g / 8u] |= bit;
    }
    if (last) {
        s->total = offset + len;
    }
    return true;
}

static void take_slice(agent *a, uint8_t type, const uint8_t *body, size_t len)
{
    const bool last = (type & 0x10u) != 0u;
    if (len < 2 || a->m.model == NULL) {
        return;
    }
    const uint8_t tag = body[0];
    const size_t offset = ((size_t)(type & 0x0Fu) << 8 | body[1]) * GRANULE;
    body += 2;
    len -= 2;
    if (CONFIG_SLOTS == 0) {
        if (offset == 0 && last) {
            complete(a, NULL, tag, body, len);
        } else {
            refuse_short(a, AGENT_SLICE);
        }
        return;
    }
    slot *s = slot_for(a, tag);
    if (s == NULL || s->state != SLOT_COLLECTS) {
        return; /* a copy that comes late */
    }
    if (!keep_slice(s, offset, last, body, len)) {
        refuse_short(a, AGENT_SLICE);
    } else if (s->total > 0 && s->have_count == (s->total + GRANULE - 1u) / GRANULE) {
        complete(a, s, tag, s->data, s->total);
    }
}

/* tag u8, offset u16, unit u8, bits: nothing is said where there is nothing to tell */
static void ask(agent *a, const uint8_t *body, size_t len)
{
    if (len < 4) {
        return;
    }
    const uint8_t tag = body[0];
    slot *s = &a->slots[tag % SLOTS];
    const bool kept = CONFIG_SLOTS > 0 && s->tag == tag;
    result r = last_result(a);
    if (kept && s->state == SLOT_ANSWERED) {
        r = (result){s->data, s->data + RESULT_HEAD, result_size(a)};
    } else if (a->last.index == 0 || a->last.tag != tag) {
        if (!kept || s->state != SLOT_RAN || !run_vector(a, tag, s->data, s->total)) {
            return;
        }
    }
    send_units(a, tag, &r, get_le16(body + 1), body[3], body + 4, len - 4);
}

/* ---- the stream ------------------------------------------------------------------------------- */

void agent_close_stream(agent *a)
{
    a->stream = 0;
    a->decoder.short_crc = 0;
    a->last.index = 0;
}

void agent_open(agent *a, const request *r)
{
    const uint32_t number = get_le32(r->body);
    if (number != a->stream) { /* else it was asked again */
        agent_close_stream(a);
        a->stream = number;
        a->decoder.short_crc = frame_crc32(0, r->body, 4);
        a->latest = SEQS - 1u;
        memset(a->seen, 0, sizeof(a->seen));
        for (uint32_t i = 0; i < SLOTS; i++) {
            a->slots[i].state = SLOT_FREE;
        }
    }
    agent_answer(a, r, NULL, 0);
}

/* Notes that a frame has come; those that were skipped have not. */
static void note(agent *a, uint8_t seq)
{
    if ((uint8_t)(seq - a->latest) < SEQS / 2u) {
        while (a->latest != seq) {
            a->latest++;
            a->seen[a->latest / 8u] &= (uint8_t)~(1u << (a->latest % 8u));
        }
    }
    a->seen[seq / 8u] |= (uint8_t)(1u << (seq % 8u));
}

static void acknowledge(const agent *a, uint8_t seq, uint8_t base)
{
    uint8_t bits[SEQS / 2u / 8u] = {0};
    const uint8_t span = (uint8_t)(seq - base);
    const uint32_t count = span < SEQS / 2u ? span : 0u;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t s = (uint8_t)(base + i);
        bits[i / 8u] |= (uint8_t)((a->seen[s / 8u] >> (s % 8u) & 1u) << (i % 8u));
    }
    const uint8_t head[2] = {AGENT_POLL | AGENT_ANSWER, seq};
    const frame_part parts[2] = {{head, sizeof(head)}, {bits, (count + 7u) / 8u}};
    agent_send_short(a, parts, 2);
}

void agent_short(agent *a, const uint8_t *frame, size_t len)
{
    const uint8_t type = frame[0], seq = frame[1];
    const uint8_t *body = frame + FRAME_SHORT_HEADER_SIZE;
    len -= FRAME_SHORT_HEADER_SIZE;
    note(a, seq);
    if (type == AGENT_POLL) {
        acknowledge(a, seq, len > 0 ? body[0] : seq);
    } else if (type == AGENT_ASK) {
        ask(a, body, len);
    } else if ((type & 0xE0u) == AGENT_SLICE) {
        take_slice(a, type, body, len);
    }
}

void agent_predict(agent *a, const request *r)
{
    if (get_le16(r->body) > a->m.output_size) {
        agent_refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    a->last.index = 0;
    prediction_delete(a->prediction);
    a->prediction_ended = false;
    memset(a->booked, 0, sizeof(a->booked));
    a->prediction = prediction_create(a->m.model, a->m.output, get_le16(r->body), r->body[2]);
    if (a->prediction == NULL) {
        agent_refuse(a, r, AGENT_ERROR_NO_MEMORY);
        return;
    }
    agent_answer(a, r, NULL, 0);
}
