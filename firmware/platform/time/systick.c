/* SPDX-License-Identifier: Apache-2.0
 * Time from SysTick on the core clock: 24 bits in hardware, the rest counted by its interrupt. The
 * core's own cycle counter, where there is one, is read for what is measured; SysTick then only
 * tells which of its wraps it is in. */
#include "board_config.h"
#include "platform/interrupts.h"
#include "platform/platform.h"
#include "platform/registers.h"
#include "platform/time/dwt.h"

#define RELOAD 0x00FFFFFFu
#define PERIOD (RELOAD + 1u)

static volatile uint32_t wraps;
static bool has_dwt;

void systick_handler(void)
{
    wraps++;
}

void ticks_init(void)
{
    reg_write(SYST_RVR, RELOAD);
    ticks_restart();
    ticks_measure(has_dwt ? "dwt" : "systick");
}

void ticks_restart(void)
{
    (void)reg_read(SYST_CVR); /* Renode's time catches up when it is read, not when it is written */
    reg_write(SYST_CSR, 0);
    reg_write(SYST_CVR, 0); /* any write clears it, and a pending wrap with it */
    wraps = 0;
    reg_write(SYST_CSR, 7u); /* enable, interrupt, core clock */
    /* the first tick loads the counter; before it CVR reads 0, which is no time */
    while (reg_read(SYST_CVR) == 0u) {
    }
    has_dwt = dwt_start();
}

static inline uint64_t systick_now(void)
{
    uint32_t high, low;
    do { /* until no wrap fell between the two reads */
        high = wraps;
        low = RELOAD - reg_read(SYST_CVR);
    } while (high != wraps);
    return (uint64_t)high * PERIOD + low;
}

uint64_t time_now(void)
{
    return systick_now();
}

uint64_t ticks_now(void)
{
    const uint64_t about = systick_now();
    return has_dwt ? dwt_extend(about, dwt_count()) : about;
}
