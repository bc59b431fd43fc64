/* SPDX-License-Identifier: Apache-2.0
 * Compact encoding of vectors (docs/protocol.md): prediction from neighbours and an adaptive binary
 * arithmetic coder. Pure: bytes in, bytes out. */
#ifndef COMPACT_H
#define COMPACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest sum of stride and step: room for what one row of predictions did wrong. */
#ifdef COMPACT_CONFIG
#include COMPACT_CONFIG
#define COMPACT_RING CONFIG_COMPACT_RING
#else
#define COMPACT_RING 1024u
#endif

/* Decodes len bytes of data into exactly size bytes. step: distance to the left neighbour; stride:
 * to the upper one. False if step and stride cannot be. Any data decodes to something: the frame's
 * checksum is what tells damage. */
bool compact_decode(const uint8_t *data, size_t len, uint32_t step, uint32_t stride, int8_t *out,
                    size_t size);

#endif
