/* SPDX-License-Identifier: Apache-2.0
 * Frame codec of the link: COBS between zero bytes, CRC-32 at the end (docs/protocol.md).
 * Pure: bytes in, bytes out. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* type, sequence number, boot id; the CRC follows the payload */
#define FRAME_HEADER_SIZE 7u
/* a short frame's: type, sequence number u8 */
#define FRAME_SHORT_HEADER_SIZE 2u
#define FRAME_CRC_SIZE 4u

/* Types 20 to 5F are short frames, in both directions; their CRC begins where a stream's number ends. */
static inline bool frame_is_short(uint8_t type)
{
    return (type & 0x7Fu) - 0x20u < 0x40u;
}

/* CRC-32 of IEEE 802.3, as zlib has it; crc is 0 or the result so far. */
uint32_t frame_crc32(uint32_t crc, const uint8_t *data, size_t len);

/* Bytes of an encoded frame of len bytes, its two delimiters included. */
static inline size_t frame_encoded_max(size_t len)
{
    return len + len / 254u + 3u;
}

/* Decoder: fed byte by byte, collects one frame in buf. */
typedef struct {
    uint8_t *buf;
    size_t cap, len;
    uint8_t code;  /* COBS: the group's code, 0 outside a frame */
    uint8_t left;  /* bytes until the next code */
    bool damaged;
    uint32_t damaged_frames;
    uint32_t short_crc; /* where a short frame's CRC begins; 0: none is taken */
} frame_decoder;

void frame_decoder_init(frame_decoder *d, uint8_t *buf, size_t cap);
/* True when byte ended a whole frame: buf then holds d->len bytes, header to payload, without the
 * CRC, until the next call. Damaged frames are dropped and counted. */
bool frame_decode(frame_decoder *d, uint8_t byte);

/* Encoder: hands encoded bytes to put, delimiters included. parts are concatenated. crc: 0, or
 * where a short frame's begins. */
typedef struct {
    const uint8_t *data;
    size_t len;
} frame_part;
void frame_encode(uint32_t crc, const frame_part *parts, size_t count,
                  void (*put)(void *ctx, const uint8_t *, size_t), void *ctx);

#endif
