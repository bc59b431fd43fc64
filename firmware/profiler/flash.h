/* SPDX-License-Identifier: Apache-2.0
 * Which reads of flash a core would wait for: a cache of reads, least recently used first out. */
#ifndef FLASH_H
#define FLASH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WAYS 4u

/* A read brings 2^shift bytes. reads: sets of `ways` numbers of reads + 1, the latest first. */
typedef struct {
    uint32_t shift, sets, ways, latest;
    uint32_t *reads;
} flash_cache_t;

typedef enum { HELD, NEXT, ELSEWHERE } flash_read_t;

static bool flash_cache_init(flash_cache_t *c, uint32_t width, uint32_t bytes)
{
    for (c->shift = 0; 1u << c->shift < width; c->shift++) {
    }
    const uint32_t count = bytes >> c->shift;
    c->ways = count < MOST_WAYS ? count : MOST_WAYS;
    c->sets = c->ways == 0 ? 0 : count / c->ways;
    c->reads = calloc((size_t)c->sets * c->ways + 1u, sizeof(*c->reads));
    return c->reads != NULL && c->sets > 0;
}

/* Whether the read that brings an address is held; else whether it follows the one before. */
static flash_read_t flash_read(flash_cache_t *c, uint32_t address)
{
    const uint32_t read = (address >> c->shift) + 1u, before = c->latest;
    if (read == before) {
        return HELD;
    }
    c->latest = read;
    uint32_t *set = c->reads + (size_t)(read % c->sets) * c->ways, at = 0;
    while (at + 1u < c->ways && set[at] != read) {
        at++;
    }
    const bool held = set[at] == read;
    memmove(set + 1, set, at * sizeof(*set));
    set[0] = read;
    return held ? HELD : read == before + 1u ? NEXT : ELSEWHERE;
}

#endif
