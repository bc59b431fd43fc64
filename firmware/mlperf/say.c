/* SPDX-License-Identifier: Apache-2.0 */
#include "mlperf/say.h"

#include <string.h>

#include "platform/platform.h"

#define LARGEST 1e18

void say(const char *text)
{
    console_write((const uint8_t *)text, strlen(text));
}

/* at least so many digits, with zeros in front */
static void say_digits(uint64_t value, uint32_t least)
{
    char text[20];
    uint32_t first = sizeof(text);
    while (value != 0 || sizeof(text) - first < least) {
        text[--first] = (char)('0' + (char)(value % 10u));
        value /= 10u;
    }
    console_write((const uint8_t *)text + first, sizeof(text) - first);
}

void say_number(uint64_t value)
{
    say_digits(value, 1);
}

void say_hex(uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t text[2] = {(uint8_t)digits[byte >> 4], (uint8_t)digits[byte & 15u]};
    console_write(text, sizeof(text));
}

void say_decimal(double value, uint32_t digits)
{
    uint64_t unit = 1;
    for (uint32_t i = 0; i < digits; i++) {
        unit *= 10u;
    }
    const double held = value < LARGEST ? value : LARGEST;
    uint64_t whole = (uint64_t)held;
    uint64_t rest = (uint64_t)((held - (double)whole) * (double)unit + 0.5);
    if (rest >= unit) {
        whole++;
        rest = 0;
    }
    say_number(whole);
    say(".");
    say_digits(rest, digits);
}

void say_end(void)
{
    say("\r\n");
}

void say_line(const char *before, uint64_t value, const char *after)
{
    say(before);
    say_number(value);
    say(after);
    say_end();
}
