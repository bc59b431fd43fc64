/* SPDX-License-Identifier: Apache-2.0
 * What the program prints: to the console, summed up, or caught line by line. */
#include "platform/text.h"

#include <stdio.h>

#include "agent/frame.h"
#include "platform/platform.h"

static struct {
    text_sum sum;
    int32_t line; /* the one to catch; -1: none */
    uint8_t *buf;
    size_t cap;
} watch = {.line = -1};

void text_write(const uint8_t *data, size_t len)
{
    watch.sum.crc = frame_crc32(watch.sum.crc, data, len);
    watch.sum.len += (uint32_t)len;
    if (watch.line < 0) {
        console_write(data, len);
    }
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            watch.sum.lines++;
        } else if (watch.line >= 0 && watch.sum.lines == (uint32_t)watch.line &&
                   watch.sum.captured < watch.cap) {
            watch.buf[watch.sum.captured++] = data[i];
        }
    }
}

void text_watch(int32_t line, uint8_t *buf, size_t cap)
{
    fflush(stdout);
    watch.sum = (text_sum){0};
    watch.line = line;
    watch.buf = buf;
    watch.cap = cap;
}

text_sum text_watched(void)
{
    fflush(stdout);
    watch.line = -1;
    return watch.sum;
}
