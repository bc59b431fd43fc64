/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes MLPerf Tiny's commands: whatever comes, each '%' is answered by one line m-ready, and lines
 * are printed ASCII that end in CR LF. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "mlperf/mlperf.h"
#include "mlperf/tensors.h"
#include "platform/platform.h"

static uint64_t now, state;
static uint64_t commands, ready, errors, results, loads;
static char line[8192];
static size_t line_len;

static void end_line(void)
{
    if (line_len == 0 || line[line_len - 1] != '\r') {
        abort();
    }
    line[line_len - 1] = '\0';
    ready += strcmp(line, "m-ready") == 0;
    errors += strncmp(line, "e-[", 3) == 0;
    results += strncmp(line, "m-results-[", 11) == 0;
    loads += strcmp(line, "m-load-done") == 0;
    line_len = 0;
}

void console_write(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            end_line();
        } else if (line_len == sizeof(line) - 1 ||
                   (data[i] != '\r' && (data[i] < ' ' || data[i] > '~'))) {
            abort();
        } else {
            line[line_len++] = (char)data[i];
        }
    }
}

bool console_read(uint8_t *byte) { (void)byte; return false; }
void console_wait(void) {}
uint64_t time_now(void) { return now += UINT64_MAX / 1000000000u; }
uint64_t ticks_now(void) { return time_now(); }
uint32_t port_ms(void) { return 0; }

static uint32_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static void send(const char *text)
{
    for (; *text != '\0'; text++) {
        commands += *text == '%';
        mlperf_take((uint8_t)*text);
    }
}

static void send_stimulus(void)
{
    char text[128];
    snprintf(text, sizeof(text), "db load %u%%", (unsigned)MLPERF_BYTES);
    send(text);
    for (uint32_t sent = 0; sent < MLPERF_BYTES + 40u;) {
        size_t len = (size_t)snprintf(text, sizeof(text), "db ");
        for (uint32_t n = 1u + next() % 31u; n > 0; n--, sent++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%02x", next() & 0xFFu);
        }
        snprintf(text + len, sizeof(text) - len, "%%");
        send(text);
    }
    send("infer 1 1%");
}

/* a command that is nearly right */
static void send_likely(void)
{
    static const char *const words[] = {"name", "profile", "help", "timestamp", "db", "db load",
        "db print", "infer", "results", "db 0", "db 00ff", "db zz", "infer 1 0", "", "db load 4",
        "db 01020304", "m-ready"};
    static const char *const ends[] = {"", " 1", " 2 1", " 0", " -1", " 4294967296", " 3 ", "  ",
        " 18446744073709551617", " ff", " 1 1 1", "\r\n", " x]y", " 99999"};
    send(words[next() % (sizeof(words) / sizeof(words[0]))]);
    send(ends[next() % (sizeof(ends) / sizeof(ends[0]))]);
    send("%");
}

static void send_noise(void)
{
    for (uint32_t n = next() % 200u; n > 0; n--) {
        const uint8_t byte = (uint8_t)(next() % 3u ? 'a' + next() % 6u : next());
        commands += byte == '%';
        mlperf_take(byte);
    }
}

int main(int argc, char **argv)
{
    const uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 88172645463325252ull;
    const agent_model model = app_create_model();
    mlperf_start(&model);
    for (uint64_t n = 0; n < count; n++) {
        switch (next() % 64u) {
        case 0:
            send_stimulus();
            break;
        case 1:
        case 2:
        case 3:
            send_noise();
            break;
        default:
            send_likely();
        }
    }
    fprintf(stderr, "%llu commands, %llu ready, %llu errors, %llu results, %llu loads\n",
            (unsigned long long)commands, (unsigned long long)ready, (unsigned long long)errors,
            (unsigned long long)results, (unsigned long long)loads);
    return commands == ready ? 0 : 1;
}
