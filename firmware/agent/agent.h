/* SPDX-License-Identifier: Apache-2.0
 * The target's side of the link (docs/protocol.md): answers requests, runs the model. */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "agent/frame.h"
#include "nnom.h"

#define AGENT_PROTOCOL_VERSION 3u

/* Requests; an answer has the same number with bit 7 set. */
enum agent_type {
    AGENT_HELLO = 0x01,
    AGENT_OPEN = 0x02,
    AGENT_TIME = 0x03,
    AGENT_PRINT = 0x04,
    AGENT_PREDICT = 0x05,
    AGENT_STATUS = 0x06,
    AGENT_SINK = 0x07,
    AGENT_CRASH = 0x09,
    AGENT_RESET = 0x0A,
    AGENT_BAUD = 0x0C,
    AGENT_GREET = 0x0D,
    AGENT_PING = 0x0E,
    AGENT_TENSOR = 0x0F,
    /* short frames of an open stream */
    AGENT_POLL = 0x20,
    AGENT_ASK = 0x21,
    AGENT_SLICE = 0x40, /* to 0x5F: bit 4, the last one; bits 3 to 0, the offset's highest */
    AGENT_ANSWER = 0x80,
    AGENT_BOOT = 0xF0,  /* sent once after reset, unasked */
    AGENT_FAULT = 0xF1, /* the last words */
    AGENT_ERROR = 0xFF,
};

/* Why a request was refused. */
enum agent_error {
    AGENT_ERROR_UNKNOWN_TYPE = 1,
    AGENT_ERROR_STALE_BOOT = 2, /* the target was reset since HELLO */
    AGENT_ERROR_LENGTH = 3,
    AGENT_ERROR_NO_MODEL = 4, /* the model did not compile on the target */
    AGENT_ERROR_ARGUMENT = 5,
    AGENT_ERROR_NO_MEMORY = 6,
};

/* The model that the application was built with. */
typedef struct {
    nnom_model_t *model; /* NULL or not compiled: every use of it is refused */
    int8_t *input, *output;
    size_t input_size, output_size;
} agent_model;

/* Registers at the time of a fault, as the core stacked and latched them. */
typedef struct {
    uint32_t exception, exc_return, pc, lr, xpsr, sp, cfsr, hfsr, mmfar, bfar;
} agent_fault;

/* Says on the link that the target has started. */
void agent_announce_boot(void);
/* Serves requests, for ever: agent_start(), then agent_take() for every byte. */
_Noreturn void agent_serve(const agent_model *model);
void agent_start(const agent_model *model);
void agent_take(uint8_t byte);
/* Usable from a fault handler: neither heap nor interrupts are needed. */
void agent_report_fault(const agent_fault *fault);

#endif
