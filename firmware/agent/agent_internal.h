/* SPDX-License-Identifier: Apache-2.0
 * What the agent's own files share; nobody else includes it. */
#ifndef AGENT_INTERNAL_H
#define AGENT_INTERNAL_H

#include <stdbool.h>

#include "agent/agent.h"
#include "config.h"

#define BOOKED 64u /* vectors whose repetition is recognised; more than any window holds */
#define GRANULE 32u /* bytes; parts of a vector begin at multiples of it */

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

/* VECTOR, COMPACT: index u32, label u16, then the input, or the compact form of it. */
void agent_vector(agent *a, const request *r);
/* PART: index u32, label u16, type u8, total u16, offset u16, then the part; answered by index and
 * offset until the vector is whole, and then as the vector is. */
void agent_part(agent *a, const request *r);
/* PREDICT: labels u16, top_k u8; starts the counts of prediction_*() anew. */
void agent_predict(agent *a, const request *r);

#endif
