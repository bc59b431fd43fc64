/* SPDX-License-Identifier: Apache-2.0
 * What the agent and the application need from a board. */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Console: one UART for text and frames. Received bytes are buffered by interrupt. */
void console_init(void);
/* Takes effect when what was written has left. */
void console_set_baud(uint32_t baud);
void console_write(const uint8_t *data, size_t len);
/* The next received byte; false when there is none. */
bool console_read(uint8_t *byte);
/* Sleeps until something was received; returns at once if it already was. */
void console_wait(void);
/* Bytes lost because the buffer was full. */
uint32_t console_overruns(void);
/* Between the two the console interrupts nothing; what comes meanwhile, and is more than the UART
 * itself holds, is lost as on a bad line. */
void console_hold(void);
void console_release(void);

/* Time in core clock ticks, since ticks_init(). */
void ticks_init(void);
uint64_t time_now(void);
/* The same for what is measured: by the core's own counter, where it has one that counts. It may
 * stand while the core sleeps. */
uint64_t ticks_now(void);
/* Starts both again at 0 with a fixed phase, so that equal work measures equal. */
void ticks_restart(void);

#define TICKS_LOOPS 3

/* What ticks_now() counts. name: of the counter. instructions: of each loop, 0 where none was run;
 * loops: ticks of those that do nothing, load, branch; jitter: how far two tries of one were apart.
 * reading: ticks that a call of ticks_now() takes. */
typedef struct {
    const char *name;
    uint32_t instructions;
    uint32_t loops[TICKS_LOOPS];
    uint32_t jitter;
    uint32_t reading;
} ticks_facts;

const ticks_facts *ticks_about(void);
/* For drivers, at the end of ticks_init(). */
void ticks_measure(const char *name);

/* NNoM's clock. */
uint32_t port_ms(void);

/* Bytes of RAM in use: the heap's largest extent, the stack's deepest; 0 if not measured. */
uint32_t memory_heap_used(void);
uint32_t memory_stack_used(void);

uint32_t platform_cpuid(void);
_Noreturn void platform_reset(void);

#endif
