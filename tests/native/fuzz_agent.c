/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the frame codec and the agent behind it. Inputs are made here, or come from libFuzzer
 * (build with clang -fsanitize=fuzzer -DLIBFUZZER).
 *
 * An input is a sequence of pieces: raw bytes, or a frame of any type with any payload and a right
 * checksum, so that what lies behind the checksum is reached too. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "app/app.h"
#include "config.h"
#include "platform/platform.h"
#include "platform/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t wire[1u << 16];
static size_t wire_len, wire_read;
static jmp_buf end;
static uint32_t boot = 1;
static uint8_t number;
static uint64_t now, answered, frames_sent;

/* ---- the platform --------------------------------------------------------------------------- */


static frame_decoder answers;
static uint8_t answer_frame[1u << 16];

void console_write(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (frame_decode(&answers, data[i])) { /* the agent's own frames must be whole */
            answered++;
        }
    }
}

bool console_read(uint8_t *byte)
{
    if (wire_read == wire_len) {
        longjmp(end, 1);
    }
    *byte = wire[wire_read++];
    return true;
}

void console_init(void) {}
void console_wait(void) {}
void console_set_baud(uint32_t baud) { (void)baud; }
uint32_t console_overruns(void) { return 0; }
void ticks_init(void) {}
void ticks_restart(void) {}
uint64_t ticks_now(void) { return now += 1000; }
uint64_t time_now(void) { return ticks_now(); }
const ticks_facts *ticks_about(void) { static const ticks_facts f = {.name = "test"}; return &f; }
void console_hold(void) {}
void console_release(void) {}
uint32_t port_ms(void) { return (uint32_t)now; }
uint32_t memory_heap_used(void) { return 0; }
uint32_t memory_stack_used(void) { return 0; }
uint32_t platform_cpuid(void) { return 0; }
void text_watch(int32_t line, uint8_t *buf, size_t cap) { (void)line, (void)buf, (void)cap; }
text_sum text_watched(void) { return (text_sum){0}; }
_Noreturn void platform_reset(void) { longjmp(end, 1); }
_Noreturn void fuzz_trap(void);
_Noreturn void fuzz_trap(void) { longjmp(end, 1); }

/* ---- inputs --------------------------------------------------------------------------------- */

static void put(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    if (wire_len + len <= sizeof(wire)) {
        memcpy(wire + wire_len, data, len);
        wire_len += len;
    }
}

static void put_frame(uint32_t crc, const uint8_t *header, size_t len, const uint8_t *data, size_t size)
{
    const frame_part parts[2] = {{header, len}, {data, size}};
    frame_encode(crc, parts, 2, put, NULL);
    frames_sent++;
}

/* kind, length (2 bytes), then the piece: 0-63 raw; 64-127 a frame whose type is the kind's low bits;
 * 128-223 a short frame of the stream, of every type that there is */
static void make_wire(const uint8_t *data, size_t size)
{
    wire_len = wire_read = 0;
    while (size > 3) {
        const uint8_t kind = data[0];
        size_t len = (size_t)(data[1] | (data[2] & 7u) << 8);
        data += 3;
        size -= 3;
        len = len < size ? len : size;
        if (kind < 64) {
            put(NULL, data, len);
        } else {
            uint8_t header[FRAME_HEADER_SIZE] = {(uint8_t)(kind & 15u), 1, 0};
            memcpy(header + 3, &boot, 4);
            if (kind < 128) {
                put_frame(0, header, sizeof(header), data, len);
            } else { /* in a stream that is open */
                const uint8_t open[4] = {7, 0, 0, 0};
                header[0] = AGENT_OPEN;
                put_frame(0, header, sizeof(header), open, sizeof(open));
                const uint8_t brief[2] = {(uint8_t)(0x20u + (kind - 128u) % 64u), number++};
                put_frame(frame_crc32(0, open, 4), brief, sizeof(brief), data, len);
            }
        }
        data += len;
        size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static agent_model model;
    if (model.model == NULL) {
        model = app_create_model();
        static const uint8_t stream[4] = {7, 0, 0, 0};
        frame_decoder_init(&answers, answer_frame, sizeof(answer_frame));
        answers.short_crc = frame_crc32(0, stream, sizeof(stream));
    }
    make_wire(data, size);
    if (setjmp(end) == 0) {
        agent_serve(&model);
    }
    return 0;
}

#ifndef LIBFUZZER
static uint64_t state;

static uint32_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static uint8_t text[4096];

static size_t add(size_t at, uint8_t kind, const uint8_t *body, size_t len)
{
    text[at] = kind;
    text[at + 1] = (uint8_t)len;
    text[at + 2] = (uint8_t)(len >> 8);
    memcpy(text + at + 3, body, len);
    return at + 3 + len;
}

/* the same of a short frame: a slice, whole or not, a poll or an ask */
static size_t likely_short(size_t at)
{
    uint8_t body[CONFIG_MAX_PAYLOAD] = {0};
    const size_t whole = 8u + sizeof(nnom_input_bytes);
    for (size_t i = 0; i < sizeof(body); i++) {
        body[i] = (uint8_t)(next() % 7u == 0 ? next() : 0u);
    }
    body[0] = (uint8_t)(next() % 6u);
    const uint32_t what = next() % 8u;
    if (what == 0) {
        return add(at, 128, body, next() % 3u); /* POLL */
    }
    if (what == 1) {
        body[1] = (uint8_t)(next() % 3u);
        body[2] = 0;
        body[3] = (uint8_t)(next() % 3u);
        return add(at, 129, body, 3u + next() % 4u); /* ASK */
    }
    const size_t granules = (whole + CONFIG_GRANULE - 1u) / CONFIG_GRANULE;
    const size_t first = what == 2 ? 0 : next() % (granules + 1u);
    const size_t count = what == 2 ? granules : next() % (granules + 1u);
    const bool last = what == 2 || next() % 3u == 0;
    size_t len = count * CONFIG_GRANULE;
    len = last && first * CONFIG_GRANULE + len > whole ? whole - first * CONFIG_GRANULE : len;
    body[1] = (uint8_t)first;
    if (first == 0) {
        body[8] = (uint8_t)(next() % 3u); /* form, unit */
        body[9] = (uint8_t)(next() % 3u);
    }
    len = len < sizeof(body) - 2u ? len : sizeof(body) - 2u;
    return add(at, (uint8_t)(128u + 0x20u + (last ? 0x10u : 0u)), body, 2u + len);
}

/* a piece that is nearly right: what a mutation of a good host's frame would be */
static size_t likely(size_t at)
{
    uint8_t body[CONFIG_MAX_PAYLOAD];
    static const uint8_t types[] = {1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 4};
    const uint8_t type = types[next() % sizeof(types)];
    if (next() % 2u == 0) {
        return likely_short(at);
    }
    size_t len = next() % 24u;
    for (size_t i = 0; i < sizeof(body); i++) {
        body[i] = (uint8_t)(next() % 7u == 0 ? next() : 0u);
    }
    if (type == 1 || type == 2 || type == 12 || type == 13) {
        len = 4;
    } else if (type == 4) {
        len = next() % 2u ? 1 : 4;
    }
    len = next() % 16u == 0 ? next() % 200u : len;
    len = len < sizeof(body) ? len : sizeof(body);
    return add(at, (uint8_t)(64u + type), body, len);
}

static uint8_t spoiled[512];
static size_t spoiled_len;

static void keep(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    memcpy(spoiled + spoiled_len, data, len);
    spoiled_len += len;
}

/* a frame with one to four bytes changed is not accepted, and costs the next one nothing */
static void check_codec(void)
{
    static uint8_t storage[512];
    uint8_t sent[200];
    const size_t len = FRAME_HEADER_SIZE + next() % (sizeof(sent) - FRAME_HEADER_SIZE);
    for (size_t i = 0; i < len; i++) {
        sent[i] = (uint8_t)(next() % 5u == 0 ? 0u : next());
    }
    sent[0] = (uint8_t)(next() % 0x20u); /* no short frame's type */
    const frame_part part = {sent, len};
    spoiled_len = 0;
    frame_encode(0, &part, 1, keep, NULL);
    for (uint32_t n = 1u + next() % 4u; n > 0; n--) {
        spoiled[next() % spoiled_len] ^= (uint8_t)(1u + next() % 255u);
    }
    frame_encode(0, &part, 1, keep, NULL);
    frame_decoder decoder;
    frame_decoder_init(&decoder, storage, sizeof(storage));
    size_t right = 0;
    for (size_t i = 0; i < spoiled_len; i++) {
        if (frame_decode(&decoder, spoiled[i])) {
            if (decoder.len != len || memcmp(storage, sent, len) != 0) {
                fprintf(stderr, "a damaged frame was accepted\n");
                abort();
            }
            right++;
        }
    }
    if (right == 0) {
        fprintf(stderr, "damage has cost the next frame\n");
        abort();
    }
}

int main(int argc, char **argv)
{
    const uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 88172645463325252ull;
    for (uint64_t n = 0; n < count; n++) {
        size_t len = 0;
        const uint32_t pieces = 1u + next() % 3u;
        for (uint32_t i = 0; i < pieces && len < 1500; i++) {
            if (next() % 8u == 0) {
                uint8_t noise[32];
                for (size_t k = 0; k < sizeof(noise); k++) {
                    noise[k] = (uint8_t)(next() % 3u == 0 ? 0u : next());
                }
                len = add(len, (uint8_t)(next() % 256u), noise, next() % 32u);
            } else {
                len = likely(len);
            }
        }
        LLVMFuzzerTestOneInput(text, len);
        check_codec();
    }
    fprintf(stderr, "%llu inputs, %llu frames sent, %llu frames answered\n",
            (unsigned long long)count, (unsigned long long)frames_sent,
            (unsigned long long)answered);
    return answered > 0 ? 0 : 1;
}
#endif
