/* SPDX-License-Identifier: Apache-2.0
 * What ticks are: measured once at the start, while nothing interrupts, for the host to judge.
 *
 * Three loops run equally many instructions. A core takes longer for a load that needs the one
 * before it, and for a branch that is taken, than for an instruction that does nothing; an emulator
 * that counts instructions takes the same for each. */
#include "platform/platform.h"

#define ROUNDS 32u
#define UNROLLED 32u /* as in LOOP */
#define TRIES 3u     /* the first one fills caches */

/* The ticks of a loop; self holds its own address, which `ldr` follows. */
#define LOOP(name, instruction)                                                            \
    static __attribute__((noinline)) uint32_t name(void)                                   \
    {                                                                                      \
        void *volatile self = (void *)&self;                                               \
        void *at = self;                                                                   \
        uint32_t rounds = ROUNDS;                                                          \
        const uint64_t start = ticks_now();                                                \
        __asm__ volatile(".syntax unified\n"                                               \
                         "1:\n .rept 32\n " instruction "\n .endr\n"                        \
                         "subs %0, %0, #1\n bne 1b\n"                                      \
                         : "+l"(rounds), "+l"(at)                                          \
                         :                                                                 \
                         : "cc", "memory");                                                \
        return (uint32_t)(ticks_now() - start);                                            \
    }

LOOP(plain, "nop")
LOOP(load, "ldr %1, [%1]")
LOOP(branch, "b.n .+2")

static ticks_facts facts;

/* One reading of the time, rounded: between two there is all of one. */
static uint32_t reading(void)
{
    const uint64_t start = ticks_now();
    (void)ticks_now();
    (void)ticks_now();
    (void)ticks_now();
    return (uint32_t)(ticks_now() - start + 2u) / 4u;
}

void ticks_measure(const char *name)
{
    static uint32_t (*const loops[TICKS_LOOPS])(void) = {plain, load, branch};
    facts.name = name;
    facts.instructions = ROUNDS * (UNROLLED + 2u);
    for (uint32_t try = 0; try < TRIES; try++) {
        facts.reading = reading();
        for (uint32_t i = 0; i < TICKS_LOOPS; i++) {
            const uint32_t ticks = loops[i]() - facts.reading;
            const uint32_t before = facts.loops[i];
            const uint32_t off = ticks > before ? ticks - before : before - ticks;
            facts.jitter = try < 2u ? 0u : off > facts.jitter ? off : facts.jitter;
            facts.loops[i] = ticks;
        }
    }
}

const ticks_facts *ticks_about(void)
{
    return &facts;
}
