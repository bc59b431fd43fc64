/* SPDX-License-Identifier: Apache-2.0
 * The guest on this machine, as its author would run it there: files are the folder's. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "guest/guest.h"

static void tell(void)
{
    guest_tell_end(0);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* one that never ends has been heard all the same */
    if (atexit(tell) != 0) {
        return 1;
    }
    return guest_run();
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint32_t guest_ms(void)
{
    return (uint32_t)(now_us() / 1000u);
}

uint32_t guest_us(void)
{
    return (uint32_t)now_us();
}
