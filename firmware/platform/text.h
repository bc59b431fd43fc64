/* SPDX-License-Identifier: Apache-2.0
 * What the program prints, on its way to the console. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Called by the C library with what is printed. */
void text_write(const uint8_t *data, size_t len);

/* From here on the text is summed up; it goes to the console, or, if from >= 0, cap bytes from there
 * on go to buf, and nothing to the console. */
void text_watch(int32_t from, uint8_t *buf, size_t cap);

/* What came since text_watch(). */
typedef struct {
    uint32_t crc, len;
    size_t captured; /* bytes in buf */
} text_sum;
/* Ends the watch. */
text_sum text_watched(void);

#endif
