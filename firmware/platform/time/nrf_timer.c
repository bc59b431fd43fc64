/* SPDX-License-Identifier: Apache-2.0
 * Time from an nRF TIMER, for the nRF51, which has no SysTick: 32 bits at 16 MHz, its core's
 * clock; what lies above is counted whenever the time is read, which is often enough. */
#include "board_config.h"
#include "platform/platform.h"
#include "platform/registers.h"

#define TIMER 0x40008000u /* TIMER0, the only one with 32 bits */
#define TIMER_START (TIMER + 0x000u)
#define TIMER_STOP (TIMER + 0x004u)
#define TIMER_CLEAR (TIMER + 0x00Cu)
#define TIMER_CAPTURE0 (TIMER + 0x040u)
#define TIMER_MODE (TIMER + 0x504u)
#define TIMER_BITMODE (TIMER + 0x508u)
#define TIMER_PRESCALER (TIMER + 0x510u)
#define TIMER_CC0 (TIMER + 0x540u)

#define BITMODE_32 3u

_Static_assert(CONFIG_CORE_HZ == 16000000u, "this timer counts the core's ticks at 16 MHz only");

static uint32_t low_before;
static uint32_t wraps;

void ticks_init(void)
{
    reg_write(TIMER_MODE, 0);
    reg_write(TIMER_BITMODE, BITMODE_32);
    reg_write(TIMER_PRESCALER, 0);
    ticks_restart();
    ticks_measure("timer");
}

void ticks_restart(void)
{
    reg_write(TIMER_STOP, 1);
    reg_write(TIMER_CLEAR, 1);
    low_before = 0;
    wraps = 0;
    reg_write(TIMER_START, 1);
}

uint64_t time_now(void)
{
    return ticks_now();
}

uint64_t ticks_now(void)
{
    reg_write(TIMER_CAPTURE0, 1);
    const uint32_t low = reg_read(TIMER_CC0);
    wraps += low < low_before;
    low_before = low;
    return (uint64_t)wraps << 32 | low;
}
