/* SPDX-License-Identifier: Apache-2.0
 * Agent: request loop and command table. */
#include "agent/agent.h"

#include <stdio.h>
#include <string.h>

#include "agent/compact.h"
#include "config.h"
#include "platform/platform.h"
#include "platform/text.h"

#define BOOKED 64u /* vectors whose repetition is recognised; more than any window holds */
#define NO_LABEL 0xFFFFu
#define GRANULE 32u /* bytes; parts of a vector begin at multiples of it */
#define CAN_COMPACT 1u
#define CAN_PARTS 2u
#define CAN_BAUD 4u
#define BAUD_TRIAL_MS 1000u

/* A vector that comes in parts. */
typedef struct {
    uint32_t index; /* + 1; 0: none */
    uint16_t label;
    uint8_t type; /* AGENT_VECTOR or AGENT_COMPACT: what the parts make */
    size_t total, missing;
    uint8_t have[CONFIG_PARTS_SIZE / GRANULE + 1u]; /* a byte a granule */
    uint8_t data[CONFIG_PARTS_SIZE + 1u];           /* no array is empty */
} assembly;

/* The vector that ran last: its answer can be given again while the output holds it. */
typedef struct {
    uint32_t index; /* + 1; 0: none */
    uint32_t ticks;
    nnom_status_t status;
} answered;

typedef struct {
    agent_model m;
    nnom_predict_t *prediction;
    uint32_t boot_id; /* the first HELLO's nonce; 0 until then */
    uint32_t sink_bytes;
    uint32_t layers;
    uint32_t *layer_ticks;
    uint32_t timed; /* layers seen in the current timing run */
    uint64_t layer_start; /* ticks when the layer that runs was begun */
    uint32_t booked[BOOKED]; /* index + 1 of vectors latest in the prediction's counts */
    uint32_t next_booked;
    assembly parts;
    answered last;
    uint32_t baud, trial_baud; /* trial: until a frame has come at that rate; 0: none */
    uint64_t trial_end;
    frame_decoder decoder;
    uint8_t frame[CONFIG_MAX_PAYLOAD + FRAME_HEADER_SIZE + FRAME_CRC_SIZE];
} agent;

/* a request without its header */
typedef struct {
    uint8_t type;
    uint16_t seq;
    uint32_t boot_id;
    const uint8_t *body;
    size_t len;
} request;

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint16_t get_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint8_t *put_le32(uint8_t *p, uint32_t v)
{
    for (uint32_t i = 0; i < 4; i++) {
        *p++ = (uint8_t)(v >> (8u * i));
    }
    return p;
}

static uint8_t *put_le16(uint8_t *p, uint32_t v)
{
    *p++ = (uint8_t)v;
    *p++ = (uint8_t)(v >> 8);
    return p;
}

static uint8_t *put_string(uint8_t *p, const uint8_t *end, const char *s)
{
    const size_t room = (size_t)(end - p) - 1u;
    const size_t len = strlen(s) < room ? strlen(s) : room;
    memcpy(p, s, len);
    p[len] = 0;
    return p + len + 1;
}

/* fraction bits i8, number of dimensions u8, then each u16; at most three dimensions */
static uint8_t *put_format(uint8_t *p, const nnom_tensor_t *t)
{
    const uint32_t n = t == NULL ? 0 : t->num_dim > 3 ? 3 : t->num_dim;
    *p++ = (uint8_t)(int8_t)(t == NULL ? 0 : t->q_dec[0]);
    *p++ = (uint8_t)n;
    for (uint32_t i = 0; i < n; i++) {
        p = put_le16(p, t->dim[i]);
    }
    return p;
}

static void to_console(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    console_write(data, len);
}

static void send(uint8_t type, uint16_t seq, uint32_t boot_id, const frame_part *body, size_t parts)
{
    uint8_t header[FRAME_HEADER_SIZE];
    frame_part all[4] = {{header, sizeof(header)}};
    header[0] = type;
    put_le32(put_le16(header + 1, seq), boot_id);
    for (size_t i = 0; i < parts && i < 3; i++) {
        all[i + 1] = body[i];
    }
    fflush(stdout); /* text printed before a frame stays before it */
    frame_encode(all, parts + 1, to_console, NULL);
}

static void answer(const agent *a, const request *r, const uint8_t *body, size_t len)
{
    const frame_part part = {body, len};
    send((uint8_t)(r->type | AGENT_ANSWER), r->seq, a->boot_id, &part, 1);
}

static void refuse(const agent *a, const request *r, enum agent_error error)
{
    const uint8_t body[2] = {(uint8_t)error, r->type};
    const frame_part part = {body, sizeof(body)};
    send(AGENT_ERROR, r->seq, a->boot_id, &part, 1);
}

void agent_announce_boot(void)
{
    send(AGENT_BOOT, 0, 0, NULL, 0);
}

void agent_report_fault(const agent_fault *fault)
{
    uint8_t body[40];
    uint8_t *p = body;
    const uint32_t values[10] = {fault->exception, fault->exc_return, fault->pc,   fault->lr,
                                 fault->xpsr,      fault->sp,         fault->cfsr, fault->hfsr,
                                 fault->mmfar,     fault->bfar};
    for (uint32_t i = 0; i < 10; i++) {
        p = put_le32(p, values[i]);
    }
    const frame_part part = {body, sizeof(body)};
    printf("\nFAULT exception %lu at pc 0x%08lx, lr 0x%08lx, cfsr 0x%08lx, bfar 0x%08lx\n",
           (unsigned long)fault->exception, (unsigned long)fault->pc, (unsigned long)fault->lr,
           (unsigned long)fault->cfsr, (unsigned long)fault->bfar);
    send(AGENT_FAULT, 0, 0, &part, 1);
}

static bool has_model(const agent *a)
{
    return a->m.model != NULL && a->m.model->is_inited;
}

/* ---- commands ------------------------------------------------------------------------------- */

static void hello(agent *a, const request *r)
{
    uint8_t body[320];
    const uint8_t *end = body + sizeof(body);
    if (r->len != 4) {
        refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    if (a->boot_id == 0) {
        a->boot_id = get_le32(r->body);
    }
    a->last.index = 0; /* another host may number its vectors anew */
    a->parts.index = 0;
    uint8_t *p = body;
    *p++ = AGENT_PROTOCOL_VERSION;
    *p++ = has_model(a) ? 1 : 0;
    *p++ = CONFIG_COMPAT_043;
    p = put_le16(p, a->layers);
    p = put_le32(p, platform_cpuid());
    p = put_le32(p, CONFIG_CORE_HZ);
    p = put_le32(p, CONFIG_CORE_HZ); /* ticks per second: SysTick runs on the core clock */
    p = put_le32(p, CONFIG_RX_SIZE);
    p = put_le32(p, CONFIG_MAX_PAYLOAD);
    p = put_le32(p, (uint32_t)a->m.input_size);
    p = put_le32(p, (uint32_t)a->m.output_size);
    p = put_le32(p, (CONFIG_COMPACT_RING > 0 ? CAN_COMPACT : 0u) |
                        (CONFIG_PARTS_SIZE > 0 ? CAN_PARTS : 0u) | CAN_BAUD);
    p = put_le16(p, CONFIG_COMPACT_STEP);
    p = put_le16(p, CONFIG_COMPACT_STRIDE);
    p = put_format(p, has_model(a) ? a->m.model->head->out->tensor : NULL);
    p = put_format(p, has_model(a) ? a->m.model->tail->out->tensor : NULL);
    p = put_string(p, end, CONFIG_MODEL_HASH);
    p = put_string(p, end, CONFIG_IMAGE_ID);
    p = put_string(p, end, CONFIG_BOARD);
    p = put_string(p, end, "gcc " __VERSION__);
    p = put_string(p, end, "local");
    answer(a, r, body, (size_t)(p - body));
}

/* nonce u32: as HELLO, but short, for a host that knows us: the image id's first bytes */
static void greet(agent *a, const request *r)
{
    if (r->len != 4) {
        refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    if (a->boot_id == 0) {
        a->boot_id = get_le32(r->body);
    }
    answer(a, r, (const uint8_t *)CONFIG_IMAGE_ID, 8);
}

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
    send(AGENT_VECTOR | AGENT_ANSWER, r->seq, a->boot_id, parts, 2);
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

/* index u32, label u16, then the input, or the compact form of it */
static void vector(agent *a, const request *r)
{
    if (r->len < 6u) {
        refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    if (!has_model(a)) {
        refuse(a, r, AGENT_ERROR_NO_MODEL);
        return;
    }
    const uint32_t index = get_le32(r->body);
    if (index + 1u == a->last.index) {
        answer_vector(a, r);
        return;
    }
    if (!place_input(a, r->type, r->body + 6, r->len - 6u)) {
        refuse(a, r, AGENT_ERROR_LENGTH);
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

/* index u32, label u16, type u8, total u16, offset u16, then the part; answered by index and offset
 * until the vector is whole, and then as the vector is */
static void part(agent *a, const request *r)
{
    if (r->len < 11u) {
        refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    if (!has_model(a)) {
        refuse(a, r, AGENT_ERROR_NO_MODEL);
        return;
    }
    const uint32_t index = get_le32(r->body);
    const size_t total = get_le16(r->body + 7);
    assembly *p = &a->parts;
    if (index + 1u == a->last.index) {
        answer_vector(a, r);
        return;
    }
    if (total == 0 || total > CONFIG_PARTS_SIZE) {
        refuse(a, r, AGENT_ERROR_LENGTH);
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
        refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    if (p->missing > 0) {
        uint8_t body[6];
        put_le16(put_le32(body, index), get_le16(r->body + 9));
        answer(a, r, body, sizeof(body));
        return;
    }
    p->index = 0;
    if (!place_input(a, p->type, p->data, p->total)) {
        refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    run_vector(a, r, index, p->label);
}

/* baud u32: answered at the old rate; without a frame at the new one the old one comes back */
static void baud(agent *a, const request *r)
{
    const uint32_t wanted = r->len == 4 ? get_le32(r->body) : 0u;
    if (wanted == 0 || wanted > CONFIG_UART_CLOCK_HZ / 16u) {
        refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    answer(a, r, NULL, 0);
    a->trial_baud = wanted;
    a->trial_end = ticks_now() + (uint64_t)BAUD_TRIAL_MS * (CONFIG_CORE_HZ / 1000u);
    console_set_baud(wanted);
}

static void end_baud_trial(agent *a, bool frame_came)
{
    if (a->trial_baud == 0) {
        return;
    }
    if (frame_came) {
        a->baud = a->trial_baud;
        a->trial_baud = 0;
    } else if (ticks_now() >= a->trial_end) {
        a->trial_baud = 0;
        console_set_baud(a->baud);
    }
}

static agent *timing; /* NNoM's callback carries no context of the user's */

static nnom_status_t note_layer_time(nnom_model_t *m, nnom_layer_t *layer)
{
    agent *a = timing;
    (void)m;
    if (a->timed < a->layers) {
        const uint32_t ticks = (uint32_t)(ticks_now() - a->layer_start);
        const uint32_t per_us = CONFIG_CORE_HZ / 1000000u;
        const uint32_t us = (ticks + per_us / 2u) / per_us;
        a->layer_ticks[a->timed++] = ticks;
        /* whole microseconds, rounded, so that a short layer is not printed as none at all */
        layer->stat.time = us == 0 ? 1 : us;
    }
    a->layer_start = ticks_now();
    return NN_SUCCESS;
}

/* one run with a quiet link; the input, or nothing to run the last one again */
static void time_layers(agent *a, const request *r)
{
    if (r->len != a->m.input_size && r->len != 0) {
        refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    if (!has_model(a) || a->layer_ticks == NULL) {
        refuse(a, r, AGENT_ERROR_NO_MODEL);
        return;
    }
    memcpy(a->m.input, r->body, r->len);
    a->last.index = 0;
    timing = a;
    a->timed = 0;
    model_set_callback(a->m.model, note_layer_time);
    ticks_restart();
    a->layer_start = ticks_now();
    const nnom_status_t status = model_run(a->m.model);
    model_delete_callback(a->m.model);

    uint8_t head[1] = {(uint8_t)(int8_t)status};
    uint8_t *body = a->frame; /* the request has been read */
    uint8_t *p = body;
    for (uint32_t i = 0; i < a->timed; i++) {
        p = put_le32(p, a->layer_ticks[i]);
    }
    const frame_part parts[2] = {{head, sizeof(head)}, {body, (size_t)(p - body)}};
    send(AGENT_TIME | AGENT_ANSWER, r->seq, a->boot_id, parts, 2);
}

static void print_table(agent *a, uint8_t what)
{
    switch (what) {
    case 0:
        model_stat(a->m.model);
        break;
    case 1:
        model_io_format(a->m.model);
        break;
    default:
        prediction_summary(a->prediction);
        break;
    }
}

/* what u8: 0 model_stat, 1 model_io_format, 2 prediction_summary; answered by the text's length
 * and checksum. With line u16: only that line comes, in the answer, with the number of lines. */
static void print(agent *a, const request *r)
{
    uint8_t line[128];
    if ((r->len != 1 && r->len != 3) || r->body[0] > 2) {
        refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    if (!has_model(a) || (r->body[0] == 2 && a->prediction == NULL)) {
        refuse(a, r, AGENT_ERROR_NO_MODEL);
        return;
    }
    if (r->body[0] == 2 && r->len == 1) {
        prediction_end(a->prediction); /* once: lines that are fetched later are of the same text */
    }
    text_watch(r->len == 3 ? get_le16(r->body + 1) : -1, line, sizeof(line));
    print_table(a, r->body[0]);
    const text_sum sum = text_watched();
    uint8_t head[8];
    if (r->len == 1) {
        put_le32(put_le32(head, sum.len), sum.crc);
        answer(a, r, head, 8);
        return;
    }
    put_le32(head, sum.lines);
    const frame_part parts[2] = {{head, 4}, {line, sum.captured}};
    send(AGENT_PRINT | AGENT_ANSWER, r->seq, a->boot_id, parts, 2);
}

/* labels u16, top_k u8: starts the counts of prediction_*() anew */
static void predict(agent *a, const request *r)
{
    if (r->len != 3 || get_le16(r->body) > a->m.output_size) {
        refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    if (!has_model(a)) {
        refuse(a, r, AGENT_ERROR_NO_MODEL);
        return;
    }
    a->last.index = 0;
    prediction_delete(a->prediction);
    memset(a->booked, 0, sizeof(a->booked));
    a->prediction = prediction_create(a->m.model, a->m.output, get_le16(r->body), r->body[2]);
    if (a->prediction == NULL) {
        refuse(a, r, AGENT_ERROR_NO_MEMORY);
        return;
    }
    answer(a, r, NULL, 0);
}

static void status(agent *a, const request *r)
{
    uint8_t body[24];
    uint8_t *p = put_le32(body, memory_heap_used());
    p = put_le32(p, memory_stack_used());
    p = put_le32(p, a->decoder.damaged_frames);
    p = put_le32(p, console_overruns());
    p = put_le32(p, (uint32_t)nnom_mem_stat());
    p = put_le32(p, a->baud);
    answer(a, r, body, (size_t)(p - body));
}

static void sink(agent *a, const request *r)
{
    uint8_t body[4];
    a->sink_bytes += (uint32_t)r->len;
    put_le32(body, a->sink_bytes);
    answer(a, r, body, sizeof(body));
}

/* For tests of the fault report. */
static void crash(agent *a, const request *r)
{
    (void)a, (void)r;
    __builtin_trap();
}

static void reset(agent *a, const request *r)
{
    answer(a, r, NULL, 0);
    platform_reset();
}

static const struct {
    uint8_t type;
    void (*run)(agent *a, const request *r);
} commands[] = {
    {AGENT_HELLO, hello},     {AGENT_VECTOR, vector}, {AGENT_TIME, time_layers},
    {AGENT_PRINT, print},     {AGENT_PREDICT, predict}, {AGENT_STATUS, status},
    {AGENT_SINK, sink},       {AGENT_CRASH, crash},   {AGENT_RESET, reset},
    {AGENT_COMPACT, vector},  {AGENT_PART, part},     {AGENT_BAUD, baud},
    {AGENT_GREET, greet},
};

static void dispatch(agent *a, const request *r)
{
    /* HELLO and GREET are how a host learns the boot id, so it cannot know it yet */
    const bool is_greeting = r->type == AGENT_HELLO || r->type == AGENT_GREET;
    if (!is_greeting && (a->boot_id == 0 || r->boot_id != a->boot_id)) {
        refuse(a, r, AGENT_ERROR_STALE_BOOT);
        return;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].type == r->type) {
            commands[i].run(a, r);
            return;
        }
    }
    refuse(a, r, AGENT_ERROR_UNKNOWN_TYPE);
}

static uint32_t count_layers(const agent_model *m)
{
    uint32_t n = 0;
    if (m->model != NULL && m->model->is_inited) {
        for (const nnom_layer_t *l = m->model->head; l != NULL; l = l->shortcut) {
            n++;
        }
    }
    return n;
}

void agent_serve(const agent_model *model)
{
    static agent a;
    a.m = *model;
    a.baud = CONFIG_UART_BAUD;
    a.layers = count_layers(model);
    a.layer_ticks = a.layers == 0 ? NULL : calloc(a.layers, sizeof(uint32_t));
    frame_decoder_init(&a.decoder, a.frame, sizeof(a.frame));
    for (;;) {
        uint8_t byte;
        end_baud_trial(&a, false);
        if (!console_read(&byte)) {
            console_wait();
            continue;
        }
        if (!frame_decode(&a.decoder, byte)) {
            continue;
        }
        const request r = {.type = a.frame[0],
                           .seq = get_le16(a.frame + 1),
                           .boot_id = get_le32(a.frame + 3),
                           .body = a.frame + FRAME_HEADER_SIZE,
                           .len = a.decoder.len - FRAME_HEADER_SIZE};
        end_baud_trial(&a, true);
        dispatch(&a, &r);
    }
}
