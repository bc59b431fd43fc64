/* SPDX-License-Identifier: Apache-2.0
 * Frame codec: COBS and CRC-32. */
#include "agent/frame.h"

#include <string.h>

uint32_t frame_crc32(uint32_t crc, const uint8_t *data, size_t len)
{
    /* four bits at a time: the table of 16 entries suits small targets */
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return ~crc;
}

void frame_decoder_init(frame_decoder *d, uint8_t *buf, size_t cap)
{
    memset(d, 0, sizeof(*d));
    d->buf = buf;
    d->cap = cap;
}

static void start_over(frame_decoder *d)
{
    d->len = 0;
    d->code = 0;
    d->left = 0;
    d->damaged = false;
}

/* Whether buf holds len bytes that end in their own checksum. */
static bool is_right(const frame_decoder *d, size_t len)
{
    const bool brief = len > 0 && frame_is_short(d->buf[0]);
    const size_t header = brief ? FRAME_SHORT_HEADER_SIZE : FRAME_HEADER_SIZE;
    if (len < header + FRAME_CRC_SIZE || (brief && d->short_crc == 0)) {
        return false;
    }
    const uint8_t *crc = d->buf + len - FRAME_CRC_SIZE;
    const uint32_t sent = (uint32_t)crc[0] | (uint32_t)crc[1] << 8 | (uint32_t)crc[2] << 16 |
                          (uint32_t)crc[3] << 24;
    return frame_crc32(brief ? d->short_crc : 0, d->buf, len - FRAME_CRC_SIZE) == sent;
}

static bool finish(frame_decoder *d)
{
    const size_t len = d->len;
    const bool whole = d->code != 0 && d->left == 0 && !d->damaged;
    const bool anything = d->code != 0;
    start_over(d);
    if (whole && is_right(d, len)) {
        d->len = len - FRAME_CRC_SIZE;
        return true;
    }
    d->damaged_frames += anything;
    return false;
}

bool frame_decode(frame_decoder *d, uint8_t byte)
{
    if (d->code == 0 && d->len != 0) {
        d->len = 0; /* the caller has seen the last frame */
    }
    if (byte == 0) {
        return finish(d);
    }
    if (d->left == 0) {
        /* a code: the zero that the last group stands for comes first, unless that group was full */
        if (d->code != 0 && d->code != 0xFF) {
            if (d->len == d->cap) {
                d->damaged = true;
            } else {
                d->buf[d->len++] = 0;
            }
        }
        d->code = byte;
        d->left = (uint8_t)(byte - 1u);
        return false;
    }
    d->left--;
    if (d->len == d->cap) {
        d->damaged = true;
    } else {
        d->buf[d->len++] = byte;
    }
    return false;
}

/* COBS as a stream: a group is collected until a zero, or 254 bytes, ends it */
typedef struct {
    uint8_t group[255];
    uint8_t used;
    void (*put)(void *ctx, const uint8_t *, size_t);
    void *ctx;
} encoder;

static void flush(encoder *e)
{
    e->group[0] = (uint8_t)(e->used + 1u);
    e->put(e->ctx, e->group, e->used + 1u);
    e->used = 0;
}

static void feed(encoder *e, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (e->used == 254u) {
            flush(e);
        }
        if (data[i] == 0) {
            flush(e);
        } else {
            e->group[++e->used] = data[i];
        }
    }
}

void frame_encode(uint32_t crc, const frame_part *parts, size_t count,
                  void (*put)(void *ctx, const uint8_t *, size_t), void *ctx)
{
    static const uint8_t delimiter = 0;
    encoder e = {.used = 0, .put = put, .ctx = ctx};
    put(ctx, &delimiter, 1);
    for (size_t i = 0; i < count; i++) {
        crc = frame_crc32(crc, parts[i].data, parts[i].len);
        feed(&e, parts[i].data, parts[i].len);
    }
    const uint8_t tail[FRAME_CRC_SIZE] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                                          (uint8_t)(crc >> 24)};
    feed(&e, tail, sizeof(tail));
    flush(&e);
    put(ctx, &delimiter, 1);
}
