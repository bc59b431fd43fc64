/* SPDX-License-Identifier: Apache-2.0
 * Text to the console, without printf: it must not be kept in a buffer, and floats need no libc. */
#ifndef MLPERF_SAY_H
#define MLPERF_SAY_H

#include <stdint.h>

void say(const char *text);
void say_number(uint64_t value);
void say_hex(uint8_t byte);
/* digits after the point, up to 15; value: not negative, cut off at 10^18. */
void say_decimal(double value, uint32_t digits);
/* before and after around a number, and a line's end. */
void say_line(const char *before, uint64_t value, const char *after);
void say_end(void);

#endif
