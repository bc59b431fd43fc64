/* SPDX-License-Identifier: Apache-2.0
 * What the agent's own files share; nobody else includes it. */
#ifndef AGENT_INTERNAL_H
#define AGENT_INTERNAL_H

#include <stdbool.h>

#include "agent/agent.h"
#include "config.h"

#define BOOKED 64u /* vectors whose repetition is recognised; more than any window holds */
#define GRANULE CONFIG_GRANULE /* bytes; slices begin at multiples of it */
#define CONTENT_HEAD 8u /* index u32, label u16, form u8, unit u8; the input follows */
#define RESULT_HEAD 5u  /* ticks u32, status i8; the output follows */
#define SLOTS (CONFIG_SLOTS > 0 ? CONFIG_SLOTS : 1) /* no array is empty */
#define SEQS 256u

typedef enum {
    SLOT_FREE,
    SLOT_COLLECTS, /* data is filling */
    SLOT_RAN,      /* data is whole; the result was too long to be kept */
    SLOT_ANSWERED, /* data is the result */
} slot_state;

/* A vector on its way in, and its result until the next one takes the place. */
typedef struct {
    slot_state state;
    uint8_t tag;
    uint32_t ticks;
    size_t total; /* bytes; 0 until the last slice has come */
    size_t have_count;
    uint8_t have[CONFIG_SLOT_SIZE / GRANULE / 8u + 1u]; /* a bit a granule */
    uint8_t data[CONFIG_SLOT_SIZE + 1u];
} slot;

/* The vector that ran last: the output still holds its answer. */
typedef struct {
    uint32_t index; /* + 1; 0: none */
    uint8_t tag;
    uint8_t head[RESULT_HEAD];
} answered;

typedef struct {
    agent_model m;
    nnom_predict_t *prediction;
    bool prediction_ended;
    uint32_t boot_id; /* the first HELLO's nonce; 0 until then */
    uint32_t sink_bytes;
    uint32_t layers;
    uint32_t *layer_ticks;
    uint32_t timed; /* layers seen in the current timing run */
    uint32_t stopped; /* + 1: the layer behind which the model stands still; 0: none */
    uint64_t layer_start; /* ticks when the layer that runs was begun */
    uint32_t booked[BOOKED]; /* index + 1 of vectors latest in the prediction's counts */
    uint32_t next_booked;
    slot slots[SLOTS];
    answered last;
    uint32_t stream;          /* the number that it was opened with; 0: none is open */
    uint8_t seen[SEQS / 8u];  /* a bit for each number of the latest frames */
    uint8_t latest;           /* number of the newest frame */
    uint32_t baud, trial_baud; /* trial: until a frame has come at that rate; 0: none */
    uint64_t trial_end;
    frame_decoder decoder;
    uint8_t frame[CONFIG_MAX_PAYLOAD + FRAME_HEADER_SIZE + FRAME_CRC_SIZE];
} agent;

/* A request without its header; len is within the bounds of its entry in the command table. */
typedef struct {
    uint8_t type;
    uint16_t seq;
    uint32_t boot_id;
    const uint8_t *body;
    size_t len;
} request;

static inline uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint16_t get_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint8_t *put_le32(uint8_t *p, uint32_t v)
{
    for (uint32_t i = 0; i < 4; i++) {
        *p++ = (uint8_t)(v >> (8u * i));
    }
    return p;
}

static inline uint8_t *put_le16(uint8_t *p, uint32_t v)
{
    *p++ = (uint8_t)v;
    *p++ = (uint8_t)(v >> 8);
    return p;
}

void agent_send(uint8_t type, uint16_t seq, uint32_t boot_id, const frame_part *body, size_t parts);
void agent_answer(const agent *a, const request *r, const uint8_t *body, size_t len);
void agent_refuse(const agent *a, const request *r, enum agent_error error);
void agent_send_short(const agent *a, const frame_part *parts, size_t count);

/* OPEN: number u32; what the short frames of a stream carry in their checksums. */
void agent_open(agent *a, const request *r);
/* Forgets the stream; its frames are damage from here on. */
void agent_close_stream(agent *a);
/* A short frame: type, number u8, then by type
 *   SLICE  tag u8, offset u8 (in granules), bytes: part of a vector
 *   POLL   base u8: which of the frames from there to this one have come?
 *   ASK    tag u8, offset u16 and unit u8 (in granules), bits: these units of the result again */
void agent_short(agent *a, const uint8_t *frame, size_t len);
/* What stateful layers remember is forgotten. */
void agent_forget_states(nnom_model_t *m);
/* TENSOR: layer u16, from u32, count u16; what a layer gave for the last input. */
void agent_tensor(agent *a, const request *r);
/* PREDICT: labels u16, top_k u8; starts the counts of prediction_*() anew. */
void agent_predict(agent *a, const request *r);

#endif
