/* SPDX-License-Identifier: Apache-2.0
 * Command loop and command table. */
#include "mlperf/mlperf.h"

#include <string.h>

#include "config.h"
#include "mlperf/say.h"
#include "mlperf/tensors.h"
#include "platform/platform.h"

#define COMMAND_SIZE 80u /* characters that are kept of one; more are ignored, as the reference does */
#define PRINTED_BYTES 32u /* a line of `db print` */
#define DEFAULT_RUNS 1u
#define DEFAULT_WARM_UP 10u
#ifndef MLPERF_MOST_RUNS
#define MLPERF_MOST_RUNS UINT32_MAX
#endif

static struct {
    agent_model m;
    char command[COMMAND_SIZE + 1];
    uint32_t len;
    uint8_t stimulus[MLPERF_BYTES];
    uint32_t expected, loaded; /* bytes; none are expected before `db load` */
    bool has_results;
} state;

/* ---- words ---------------------------------------------------------------------------------- */

/* What follows a word and one space; NULL where the text does not begin with that word. */
static const char *after_word(const char *text, const char *word)
{
    const size_t len = strlen(word);
    if (strncmp(text, word, len) != 0 || (text[len] != ' ' && text[len] != '\0')) {
        return NULL;
    }
    return text[len] == ' ' ? text + len + 1 : text + len;
}

/* Takes a number off the text; false for what is none, or is larger than most. */
static bool take_number(const char **text, uint32_t most, uint32_t *value)
{
    const char *p = *text;
    uint64_t number = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        number = number * 10u + (uint64_t)(*p - '0');
        if (number > most) {
            return false;
        }
    }
    if (p == *text || (*p != ' ' && *p != '\0')) {
        return false;
    }
    *text = *p == ' ' ? p + 1 : p;
    *value = (uint32_t)number;
    return true;
}

static int32_t hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* The text, with a question mark for what would end the brackets or is not printed. */
static void say_shown(const char *text)
{
    char shown[2] = {0};
    for (; *text != '\0'; text++) {
        shown[0] = *text < ' ' || *text > '~' || *text == ']' ? '?' : *text;
        say(shown);
    }
}

static void say_error(const char *what)
{
    say("e-[");
    say(what);
    say("]");
    say_end();
}

/* ---- commands ------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    const uint64_t ticks = time_now(); /* 64 bits: neither the count nor the product wraps */
    return ticks / CONFIG_CORE_HZ * 1000000u + ticks % CONFIG_CORE_HZ * 1000000u / CONFIG_CORE_HZ;
}

static void name(const char *rest)
{
    (void)rest;
    say("m-name-dut-[" CONFIG_BOARD "]\r\n");
}

static void profile(const char *rest)
{
    (void)rest;
    say("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\n");
    say("m-model-[" MLPERF_MODEL "]\r\n");
}

static void help(const char *rest)
{
    (void)rest;
    say("nnom-hil, MLPerf Tiny, model " CONFIG_MODEL_HASH ", image " CONFIG_IMAGE_ID "\r\n"
        "name%          who this is\r\n"
        "profile%       benchmark and model\r\n"
        "timestamp%     the time, in microseconds\r\n"
        "db load N%     a stimulus of N bytes follows\r\n"
        "db HH..%       bytes of it, in hexadecimal digits\r\n"
        "db print%      the bytes that were loaded\r\n"
        "infer N W%     N runs (1) after W to warm up (10)\r\n"
        "results%       of the last run\r\n");
}

static void timestamp(const char *rest)
{
    (void)rest;
    say_line("m-lap-us-", now_us(), "");
}

static void load(const char *rest)
{
    uint32_t bytes = 0;
    if (!take_number(&rest, MLPERF_BYTES, &bytes) || bytes == 0 || *rest != '\0') {
        say_line("e-[db load: needs a number of bytes, 1 to ", MLPERF_BYTES, "]");
        return;
    }
    state.expected = bytes;
    state.loaded = 0;
    state.has_results = false; /* an anomaly score is one of the stimulus, too */
    say_line("m-[Expecting ", bytes, " bytes]");
}

static void print(void)
{
    for (uint32_t i = 0; i < state.loaded; i++) {
        if (i % PRINTED_BYTES == 0) {
            say("m-[");
        }
        say_hex(state.stimulus[i]);
        if (i % PRINTED_BYTES == PRINTED_BYTES - 1u || i == state.loaded - 1u) {
            say("]\r\n");
        }
    }
}

/* Bytes that the digits give and the stimulus still needs; -1 for what is no pairs of digits. More
 * digits than it needs are ignored, and so is half a pair where a long command was cut off. */
static int32_t usable_bytes(const char *digits)
{
    const uint32_t wanted = state.expected - state.loaded;
    uint32_t count = 0;
    for (; digits[count] != '\0'; count++) {
        if (hex_digit(digits[count]) < 0) {
            return -1;
        }
    }
    if (count == 0 || (count % 2u != 0 && count / 2u < wanted && state.len != COMMAND_SIZE)) {
        return -1;
    }
    return (int32_t)(count / 2u < wanted ? count / 2u : wanted);
}

static void store(const char *digits)
{
    const bool was_done = state.loaded == state.expected;
    if (state.expected == 0) {
        say_error("db: nothing is expected; db load N comes first");
        return;
    }
    const int32_t usable = usable_bytes(digits);
    if (usable < 0) {
        say_error("db: needs load, print or pairs of hexadecimal digits");
        return;
    }
    for (int32_t i = 0; i < usable; i++, digits += 2) {
        state.stimulus[state.loaded++] = (uint8_t)(hex_digit(digits[0]) << 4 | hex_digit(digits[1]));
    }
    if (!was_done && state.loaded == state.expected) {
        say("m-load-done\r\n");
    }
}

static void db(const char *rest)
{
    const char *number = after_word(rest, "load");
    if (number != NULL) {
        load(number);
    } else if (strcmp(rest, "print") == 0) {
        print();
    } else {
        store(rest);
    }
}

static bool run(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const nnom_status_t status = model_run(state.m.model);
        if (status != NN_SUCCESS) {
            say_line("e-[infer: the model failed with status ", (uint64_t)-(int64_t)status, "]");
            return false;
        }
    }
    return true;
}

static void results(const char *rest)
{
    (void)rest;
    if (!state.has_results) {
        say_error("results: there are none; infer comes first");
        return;
    }
    say("m-results-[");
    tensors_say(&state.m, state.stimulus);
    say("]\r\n");
}

/* The line with the first time is sent within the two, but what that took is not counted. */
static void infer_timed(uint32_t runs, uint32_t warm_up)
{
    state.has_results = false;
    say_line("m-warmup-start-", warm_up, "");
    if (!run(warm_up)) {
        return;
    }
    say("m-warmup-done\r\n");
    say_line("m-infer-start-", runs, "");
    const uint64_t told = now_us();
    say_line("m-lap-us-", told, "");
    const uint64_t start = now_us();
    if (!run(runs)) {
        return;
    }
    const uint64_t took = now_us() - start;
    say_line("m-lap-us-", told + took, "");
    say("m-infer-done\r\n");
    state.has_results = true;
    results("");
}

static void infer(const char *rest)
{
    uint32_t runs = DEFAULT_RUNS, warm_up = DEFAULT_WARM_UP;
    bool right = *rest == '\0' || take_number(&rest, MLPERF_MOST_RUNS, &runs);
    right = right && (*rest == '\0' || take_number(&rest, MLPERF_MOST_RUNS, &warm_up));
    if (!right || runs == 0 || *rest != '\0') {
        say_line("e-[infer: N and W are numbers, N from 1, up to ", MLPERF_MOST_RUNS, "]");
    } else if (state.m.model == NULL || !state.m.model->is_inited) {
        say_error("infer: the model did not compile; the board has too little memory");
    } else if (state.loaded != MLPERF_BYTES) {
        say_line("e-[infer: a stimulus comes first, db load and db; bytes: ", MLPERF_BYTES, "]");
    } else if (!tensors_load(&state.m, state.stimulus)) {
        say_error("infer: the stimulus holds a number that is not finite");
    } else {
        infer_timed(runs, warm_up);
    }
}

/* alone: nothing may follow */
static const struct {
    const char *word;
    bool alone;
    void (*run)(const char *rest);
} commands[] = {
    {"name", true, name},   {"profile", true, profile}, {"help", true, help},
    {"db", false, db},      {"infer", false, infer},    {"timestamp", true, timestamp},
    {"results", true, results},
};

static void dispatch(void)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const char *rest = after_word(state.command, commands[i].word);
        if (rest != NULL && (!commands[i].alone || *rest == '\0')) {
            commands[i].run(rest);
            return;
        }
    }
    say("e-[Unknown command: ");
    say_shown(state.command);
    say("]\r\n");
}

/* ---- the door ------------------------------------------------------------------------------- */

void mlperf_announce(void)
{
    say("m-timestamp-mode-performance\r\nm-init-done\r\nm-ready\r\n");
}

void mlperf_start(const agent_model *model)
{
    memset(&state, 0, sizeof(state));
    state.m = *model;
    if (model->model != NULL && model->model->is_inited) {
        tensors_watch(&state.m);
    }
}

void mlperf_take(uint8_t byte)
{
    if (byte == '%') {
        state.command[state.len] = '\0';
        dispatch();
        say("m-ready\r\n");
        state.len = 0;
    } else if (state.len < COMMAND_SIZE && byte != '\r' && byte != '\n' && byte != '\0') {
        state.command[state.len++] = (char)byte;
    }
}

void mlperf_serve(const agent_model *model)
{
    mlperf_start(model);
    mlperf_announce();
    for (;;) {
        uint8_t byte;
        if (console_read(&byte)) {
            mlperf_take(byte);
        } else {
            console_wait();
        }
    }
}

void agent_report_fault(const agent_fault *fault)
{
    say("\r\n");
    say("e-[Fault: exception ");
    say_number(fault->exception);
    say(" at pc 0x");
    for (uint32_t shift = 32; shift > 0; shift -= 8) {
        say_hex((uint8_t)(fault->pc >> (shift - 8u)));
    }
    say("]\r\n");
}
