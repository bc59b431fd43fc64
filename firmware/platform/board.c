/* SPDX-License-Identifier: Apache-2.0
 * What the board file says must be done before main: clocks, pins, power; and the caches. */
#include "board_config.h"
#include "platform/board.h"
#include "platform/registers.h"

/* A crystal takes some milliseconds; what is not there must not hang the start. */
#define WAIT_READS 100000u

typedef struct {
    uint32_t wait; /* 1: until the masked bits are value; 0: make them value */
    uint32_t address, mask, value;
} step;

static void wait_for(const step *s)
{
    for (uint32_t i = 0; i < WAIT_READS && (reg_read(s->address) & s->mask) != s->value; i++) {
    }
}

static void take(const step *s)
{
    if (s->wait) {
        wait_for(s);
    } else if (s->mask == 0xFFFFFFFFu) {
        reg_write(s->address, s->value); /* some registers may not be read */
    } else {
        reg_write(s->address, (reg_read(s->address) & ~s->mask) | s->value);
    }
}

#if CONFIG_CACHES
/* Armv7-M ARM, B2.2: invalidate, then enable; level 1, data cache by set and way. */
static void enable_caches(void)
{
    reg_write(SCB_CSSELR, 0);
    __asm__ volatile("dsb" ::: "memory");
    const uint32_t ccsidr = reg_read(SCB_CCSIDR);
    const uint32_t sets = (ccsidr >> 13 & 0x7FFFu) + 1u, ways = (ccsidr >> 3 & 0x3FFu) + 1u;
    const uint32_t line = (ccsidr & 7u) + 4u; /* log2 of bytes */
    for (uint32_t set = 0; set < sets; set++) {
        for (uint32_t way = 0; way < ways; way++) {
            const uint32_t shift = ways > 1u ? (uint32_t)__builtin_clz(ways - 1u) : 0u;
            reg_write(SCB_DCISW, way << shift | set << line);
        }
    }
    reg_write(SCB_ICIALLU, 0);
    __asm__ volatile("dsb\n isb" ::: "memory");
    reg_write(SCB_CCR, reg_read(SCB_CCR) | CCR_IC | CCR_DC);
    __asm__ volatile("dsb\n isb" ::: "memory");
}
#endif

void board_startup(void)
{
    static const step steps[] = {CONFIG_STARTUP_STEPS{0}}; /* no register is at address 0 */
    for (const step *s = steps; s->address != 0u; s++) {
        take(s);
    }
#if CONFIG_CACHES
    enable_caches();
#endif
}
