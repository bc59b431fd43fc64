/* SPDX-License-Identifier: Apache-2.0
 * What the program prints: to the console, summed up, or caught piece by piece. */
#include "platform/text.h"

#include <stdio.h>

#include "agent/frame.h"
#include "platform/platform.h"

static struct {
    text_sum sum;
    int32_t from; /* where the piece to catch begins; -1: none is */
    uint8_t *buf;
    size_t cap;
} watch = {.from = -1};

void text_write(const uint8_t *data, size_t len)
{
    watch.sum.crc = frame_crc32(watch.sum.crc, data, len);
    if (watch.from < 0) {
        console_write(data, len);
    }
    for (size_t i = 0; i < len; i++, watch.sum.len++) {
        if (watch.from >= 0 && watch.sum.len >= (uint32_t)watch.from &&
            watch.sum.captured < watch.cap) {
            watch.buf[watch.sum.captured++] = data[i];
        }
    }
}

void text_watch(int32_t from, uint8_t *buf, size_t cap)
{
    fflush(stdout);
    watch.sum = (text_sum){0};
    watch.from = from;
    watch.buf = buf;
    watch.cap = cap;
}

text_sum text_watched(void)
{
    fflush(stdout);
    watch.from = -1;
    return watch.sum;
}
