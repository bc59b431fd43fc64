/* SPDX-License-Identifier: Apache-2.0
 * Agent: request loop and command table. */
#include <stdio.h>
#include <string.h>

#include "agent/agent_internal.h"
#include "platform/platform.h"
#include "platform/text.h"

#if __has_include("kernels/kernels.h")
#include "kernels/kernels.h"
#else
#define NNOM_KERNEL_NAMES "" /* NNoM's own library does not tell */
#define NNOM_IS_FOREIGN 1
#endif

#define CAN_COMPACT 1u
#define CAN_BAUD 4u
#define BAUD_TRIAL_MS 1000u

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

void agent_send(uint8_t type, uint16_t seq, uint32_t boot_id, const frame_part *body, size_t parts)
{
    uint8_t header[FRAME_HEADER_SIZE];
    frame_part all[4] = {{header, sizeof(header)}};
    header[0] = type;
    put_le32(put_le16(header + 1, seq), boot_id);
    for (size_t i = 0; i < parts && i < 3; i++) {
        all[i + 1] = body[i];
    }
    fflush(stdout); /* text printed before a frame stays before it */
    frame_encode(0, all, parts + 1, to_console, NULL);
}

void agent_send_short(const agent *a, const frame_part *parts, size_t count)
{
    fflush(stdout);
    frame_encode(a->decoder.short_crc, parts, count, to_console, NULL);
}

void agent_answer(const agent *a, const request *r, const uint8_t *body, size_t len)
{
    const frame_part part = {body, len};
    agent_send((uint8_t)(r->type | AGENT_ANSWER), r->seq, a->boot_id, &part, 1);
}

void agent_refuse(const agent *a, const request *r, enum agent_error error)
{
    const uint8_t body[2] = {(uint8_t)error, r->type};
    const frame_part part = {body, sizeof(body)};
    agent_send(AGENT_ERROR, r->seq, a->boot_id, &part, 1);
}

void agent_announce_boot(void)
{
    agent_send(AGENT_BOOT, 0, 0, NULL, 0);
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
    agent_send(AGENT_FAULT, 0, 0, &part, 1);
}

/* NNoM's own library never sets is_inited; a model that it compiled has a result with memory. */
static bool is_compiled(const nnom_model_t *m)
{
#ifdef NNOM_IS_FOREIGN
    return m != NULL && m->tail != NULL && m->tail->out != NULL && m->tail->out->tensor != NULL &&
           m->tail->out->tensor->p_data != NULL;
#else
    return m != NULL && m->is_inited;
#endif
}

static bool has_model(const agent *a)
{
    return is_compiled(a->m.model);
}

/* ---- commands ------------------------------------------------------------------------------- */

/* what ticks are, as the host's words for it: "systick instructions=1088 plain=1462 ..." */
static uint8_t *put_clock(uint8_t *p, const uint8_t *end)
{
    char text[128];
    const ticks_facts *f = ticks_about();
    snprintf(text, sizeof(text),
             "%s instructions=%lu plain=%lu load=%lu branch=%lu jitter=%lu reading=%lu", f->name,
             (unsigned long)f->instructions, (unsigned long)f->loops[0],
             (unsigned long)f->loops[1], (unsigned long)f->loops[2], (unsigned long)f->jitter,
             (unsigned long)f->reading);
    return put_string(p, end, text);
}

static void hello(agent *a, const request *r)
{
    uint8_t body[448 + sizeof(NNOM_KERNEL_NAMES)];
    const uint8_t *end = body + sizeof(body);
    if (a->boot_id == 0) {
        a->boot_id = get_le32(r->body);
    }
    agent_close_stream(a); /* another host may number its vectors anew */
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
    p = put_le32(p, (CONFIG_COMPACT_RING > 0 ? CAN_COMPACT : 0u) | CAN_BAUD);
    p = put_le16(p, CONFIG_COMPACT_STEP);
    p = put_le16(p, CONFIG_COMPACT_STRIDE);
    *p++ = CONFIG_SLOTS;
    p = put_le16(p, GRANULE);
    p = put_format(p, has_model(a) ? a->m.model->head->out->tensor : NULL);
    p = put_format(p, has_model(a) ? a->m.model->tail->out->tensor : NULL);
    p = put_string(p, end, CONFIG_MODEL_HASH);
    p = put_string(p, end, CONFIG_IMAGE_ID);
    p = put_string(p, end, CONFIG_BOARD);
    p = put_string(p, end, "gcc " __VERSION__);
    p = put_string(p, end, NNOM_KERNEL_NAMES);
    p = put_clock(p, end);
    agent_answer(a, r, body, (size_t)(p - body));
}

/* nonce u32: as HELLO, but short, for a host that knows us: the image id's first bytes */
static void greet(agent *a, const request *r)
{
    if (a->boot_id == 0) {
        a->boot_id = get_le32(r->body);
    }
    agent_answer(a, r, (const uint8_t *)CONFIG_IMAGE_ID, 8);
}

/* baud u32: answered at the old rate; without a frame at the new one the old one comes back */
static void baud(agent *a, const request *r)
{
    const uint32_t wanted = get_le32(r->body);
    if (wanted == 0 || wanted > CONFIG_UART_CLOCK_HZ / 16u) {
        agent_refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    agent_answer(a, r, NULL, 0);
    a->trial_baud = wanted;
    a->trial_end = time_now() + (uint64_t)BAUD_TRIAL_MS * (CONFIG_CORE_HZ / 1000u);
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
    } else if (time_now() >= a->trial_end) {
        a->trial_baud = 0;
        console_set_baud(a->baud);
    }
}

static agent *timing; /* NNoM's callback carries no context of the user's */

/* What this does counts as the layer's, but for one reading of the clock; profiles leave it out by
 * its name: it is kept short. */
static nnom_status_t note_layer_time(nnom_model_t *m, nnom_layer_t *layer)
{
    const uint64_t now = ticks_now();
    agent *a = timing;
    (void)m, (void)layer;
    if (a->timed < a->layers) {
        a->layer_ticks[a->timed++] = (uint32_t)(now - a->layer_start);
    }
    a->layer_start = ticks_now();
    return NN_SUCCESS;
}

/* Takes the clock's own reading off each time, and lets model_stat() print whole microseconds,
 * rounded; a short layer is not printed as none at all. */
static void settle_layer_times(const agent *a)
{
    const uint32_t per_us = CONFIG_CORE_HZ / 1000000u, reading = ticks_about()->reading;
    nnom_layer_t *layer = a->m.model->head;
    for (uint32_t i = 0; i < a->timed && layer != NULL; i++, layer = layer->shortcut) {
        const uint32_t ticks = a->layer_ticks[i];
        a->layer_ticks[i] = ticks > reading ? ticks - reading : 0u;
        const uint32_t us = (a->layer_ticks[i] + per_us / 2u) / per_us;
        layer->stat.time = us == 0 ? 1 : us;
    }
}

/* one run with a quiet link; the input, or nothing to run the last one again */
static void time_layers(agent *a, const request *r)
{
    if (r->len != a->m.input_size && r->len != 0) {
        agent_refuse(a, r, AGENT_ERROR_LENGTH);
        return;
    }
    if (a->layer_ticks == NULL) {
        agent_refuse(a, r, AGENT_ERROR_NO_MEMORY);
        return;
    }
    memcpy(a->m.input, r->body, r->len);
    a->last.index = 0;
    a->stopped = 0;
    timing = a;
    a->timed = 0;
    model_set_callback(a->m.model, note_layer_time);
    console_hold();
    ticks_restart();
    a->layer_start = ticks_now();
    const nnom_status_t status = model_run(a->m.model);
    console_release();
    model_delete_callback(a->m.model);
    settle_layer_times(a);

    uint8_t head[1] = {(uint8_t)(int8_t)status};
    uint8_t *body = a->frame; /* the request has been read */
    uint8_t *p = body;
    for (uint32_t i = 0; i < a->timed; i++) {
        p = put_le32(p, a->layer_ticks[i]);
    }
    const frame_part parts[2] = {{head, sizeof(head)}, {body, (size_t)(p - body)}};
    agent_send(AGENT_TIME | AGENT_ANSWER, r->seq, a->boot_id, parts, 2);
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
 * and checksum. With from u16, count u8: nothing is printed, those bytes of it come in the answer;
 * for a count of 0 length and checksum. */
static void print(agent *a, const request *r)
{
    uint8_t piece[128];
    const bool whole = r->len == 1;
    if ((!whole && r->len != 4) || r->body[0] > 2 || (!whole && r->body[3] > sizeof(piece))) {
        agent_refuse(a, r, AGENT_ERROR_ARGUMENT);
        return;
    }
    if (r->body[0] == 2 && a->prediction == NULL) {
        agent_refuse(a, r, AGENT_ERROR_NO_MODEL);
        return;
    }
    if (r->body[0] == 2 && !a->prediction_ended) {
        prediction_end(a->prediction); /* once: what is fetched later is of the same text */
        a->prediction_ended = true;
    }
    text_watch(whole ? -1 : get_le16(r->body + 1), piece, whole ? 0u : r->body[3]);
    print_table(a, r->body[0]);
    const text_sum sum = text_watched();
    if (whole || r->body[3] == 0) {
        uint8_t head[8];
        put_le32(put_le32(head, sum.len), sum.crc);
        agent_answer(a, r, head, sizeof(head));
        return;
    }
    agent_answer(a, r, piece, sum.captured);
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
    agent_answer(a, r, body, (size_t)(p - body));
}

static void sink(agent *a, const request *r)
{
    uint8_t body[4];
    a->sink_bytes += (uint32_t)r->len;
    put_le32(body, a->sink_bytes);
    agent_answer(a, r, body, sizeof(body));
}

/* answered by the open stream's number: has the target been reset, does it hear? */
static void ping(agent *a, const request *r)
{
    uint8_t body[4];
    put_le32(body, a->stream);
    agent_answer(a, r, body, sizeof(body));
}

/* For tests of the fault report. */
static void crash(agent *a, const request *r)
{
    (void)a, (void)r;
    __builtin_trap();
}

static void reset(agent *a, const request *r)
{
    agent_answer(a, r, NULL, 0);
    platform_reset();
}

#define ANY CONFIG_MAX_PAYLOAD

/* least, most: bytes of payload; model: a compiled one is needed */
static const struct {
    uint8_t type;
    bool model;
    uint32_t least, most;
    void (*run)(agent *a, const request *r);
} commands[] = {
    {AGENT_HELLO, false, 4, 4, hello},
    {AGENT_GREET, false, 4, 4, greet},
    {AGENT_OPEN, true, 4, 4, agent_open},
    {AGENT_PING, false, 0, 0, ping},
    {AGENT_TIME, true, 0, ANY, time_layers},
    {AGENT_TENSOR, true, 8, 8, agent_tensor},
    {AGENT_PRINT, true, 1, 4, print},
    {AGENT_PREDICT, true, 3, 3, agent_predict},
    {AGENT_STATUS, false, 0, 0, status},
    {AGENT_BAUD, false, 4, 4, baud},
    {AGENT_SINK, false, 0, ANY, sink},
    {AGENT_CRASH, false, 0, 0, crash},
    {AGENT_RESET, false, 0, 0, reset},
};

static void dispatch(agent *a, const request *r)
{
    /* HELLO and GREET are how a host learns the boot id, so it cannot know it yet */
    const bool is_greeting = r->type == AGENT_HELLO || r->type == AGENT_GREET;
    if (!is_greeting && (a->boot_id == 0 || r->boot_id != a->boot_id)) {
        agent_refuse(a, r, AGENT_ERROR_STALE_BOOT);
        return;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].type != r->type) {
            continue;
        }
        if (r->len < commands[i].least || r->len > commands[i].most) {
            agent_refuse(a, r, AGENT_ERROR_LENGTH);
        } else if (commands[i].model && !has_model(a)) {
            agent_refuse(a, r, AGENT_ERROR_NO_MODEL);
        } else {
            commands[i].run(a, r);
        }
        return;
    }
    agent_refuse(a, r, AGENT_ERROR_UNKNOWN_TYPE);
}

static uint32_t count_layers(const agent_model *m)
{
    uint32_t n = 0;
    if (is_compiled(m->model)) {
        for (const nnom_layer_t *l = m->model->head; l != NULL; l = l->shortcut) {
            n++;
        }
    }
    return n;
}

static agent the_agent;

void agent_start(const agent_model *model)
{
    agent *a = &the_agent;
    a->m = *model;
    a->baud = CONFIG_UART_BAUD;
    a->layers = count_layers(model);
    a->layer_ticks = a->layers == 0 ? NULL : calloc(a->layers, sizeof(uint32_t));
    frame_decoder_init(&a->decoder, a->frame, sizeof(a->frame));
}

void agent_take(uint8_t byte)
{
    agent *a = &the_agent;
    if (!frame_decode(&a->decoder, byte)) {
        return;
    }
    end_baud_trial(a, true);
    if (frame_is_short(a->frame[0])) {
        agent_short(a, a->frame, a->decoder.len);
        return;
    }
    const request r = {.type = a->frame[0],
                       .seq = get_le16(a->frame + 1),
                       .boot_id = get_le32(a->frame + 3),
                       .body = a->frame + FRAME_HEADER_SIZE,
                       .len = a->decoder.len - FRAME_HEADER_SIZE};
    dispatch(a, &r);
}

void agent_serve(const agent_model *model)
{
    agent_start(model);
    for (;;) {
        uint8_t byte;
        end_baud_trial(&the_agent, false);
        if (console_read(&byte)) {
            agent_take(byte);
        } else {
            console_wait();
        }
    }
}
