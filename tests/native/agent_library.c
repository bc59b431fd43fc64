/* SPDX-License-Identifier: Apache-2.0
 * The agent as a library for simulations: bytes in, bytes out, no time of its own. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "app/app.h"
#include "config.h"
#include "platform/platform.h"
#include "platform/text.h"

#define TICKS 100u /* that each inference takes */

static uint8_t out[1u << 16];
static size_t out_len;
static uint64_t now;

void console_write(const uint8_t *data, size_t len)
{
    if (out_len + len > sizeof(out)) {
        abort();
    }
    memcpy(out + out_len, data, len);
    out_len += len;
}

bool console_read(uint8_t *byte)
{
    (void)byte;
    return false;
}

void console_init(void) {}
void console_wait(void) {}
void console_set_baud(uint32_t baud) { (void)baud; }
uint32_t console_overruns(void) { return 0; }
void ticks_init(void) {}
void ticks_restart(void) {}
uint64_t ticks_now(void) { return now += TICKS; }
uint64_t time_now(void) { return ticks_now(); }
const ticks_facts *ticks_about(void) { static const ticks_facts f = {.name = "test"}; return &f; }
void console_hold(void) {}
void console_release(void) {}
uint32_t port_ms(void) { return 0; }
uint32_t memory_heap_used(void) { return 0; }
uint32_t memory_stack_used(void) { return 0; }
uint32_t platform_cpuid(void) { return 0; }
void text_watch(int32_t from, uint8_t *buf, size_t cap) { (void)from, (void)buf, (void)cap; }
text_sum text_watched(void) { return (text_sum){0}; }
_Noreturn void platform_reset(void) { abort(); }

void library_start(void);
size_t library_take(const uint8_t *data, size_t len, const uint8_t **answer);

void library_start(void)
{
    const agent_model model = app_create_model();
    agent_start(&model);
}

size_t library_take(const uint8_t *data, size_t len, const uint8_t **answer)
{
    out_len = 0;
    for (size_t i = 0; i < len; i++) {
        agent_take(data[i]);
    }
    *answer = out;
    return out_len;
}
