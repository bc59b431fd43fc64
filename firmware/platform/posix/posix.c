/* SPDX-License-Identifier: Apache-2.0
 * The platform as a POSIX process: the console is a pseudo-terminal, time is the machine's.
 *
 * It prints the terminal's name and waits for a line on its standard input, so that whoever opens
 * the terminal misses nothing; the end of that input ends it. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "platform/platform.h"
#include "platform/text.h"

#define HUNG_UP_MS 5 /* between looks for somebody who opens the terminal */
#define RESUME "NNOM_HIL_CONSOLE" /* the terminal's descriptor, handed on by a reset */

/* ---- time: ticks are nanoseconds ------------------------------------------------------------ */

static struct timespec zero;

void ticks_init(void)
{
    ticks_restart();
}

void ticks_restart(void)
{
    clock_gettime(CLOCK_MONOTONIC, &zero);
}

uint64_t time_now(void)
{
    return ticks_now();
}

const ticks_facts *ticks_about(void)
{
    static const ticks_facts facts = {.name = "posix"};
    return &facts;
}

uint64_t ticks_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t seconds = (int64_t)now.tv_sec - (int64_t)zero.tv_sec;
    return (uint64_t)(seconds * 1000000000 + (now.tv_nsec - zero.tv_nsec));
}

/* ---- console -------------------------------------------------------------------------------- */

/* the receive ring; its thread stands for the interrupt */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    uint32_t head, tail, overruns;
    uint8_t data[CONFIG_RX_SIZE];
} rx = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static int terminal;

static _Noreturn void give_up(const char *what)
{
    const char *why = strerror(errno);
    (void)!write(STDERR_FILENO, what, strlen(what));
    (void)!write(STDERR_FILENO, ": ", 2);
    (void)!write(STDERR_FILENO, why, strlen(why));
    (void)!write(STDERR_FILENO, "\n", 1);
    _exit(1);
}

static void take_in(const uint8_t *data, size_t len)
{
    pthread_mutex_lock(&rx.lock);
    for (size_t i = 0; i < len; i++) {
        if (rx.head - rx.tail == CONFIG_RX_SIZE) {
            rx.overruns++;
        } else {
            rx.data[rx.head % CONFIG_RX_SIZE] = data[i];
            rx.head++;
        }
    }
    pthread_cond_signal(&rx.filled);
    pthread_mutex_unlock(&rx.lock);
}

/* Whether somebody has the terminal open. */
static bool has_listener(void)
{
    struct pollfd line = {.fd = terminal};
    return poll(&line, 1, 0) == 0 || (line.revents & POLLHUP) == 0;
}

/* What the last one has not read is not for the next one, as on a line. */
static void forget_unread(void)
{
    const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    if (other >= 0) {
        (void)tcflush(other, TCIFLUSH);
        close(other);
    }
}

static void *receive(void *unused)
{
    (void)unused;
    bool had_listener = true;
    for (;;) {
        struct pollfd watched[2] = {{.fd = terminal, .events = POLLIN},
                                    {.fd = STDIN_FILENO, .events = POLLIN}};
        uint8_t chunk[4096];
        const nfds_t silent = has_listener() ? 0 : 1; /* a terminal that is hung up is always ready */
        if (silent != 0 && had_listener) {
            const ssize_t n = read(terminal, chunk, sizeof(chunk)); /* its last words */
            take_in(chunk, n > 0 ? (size_t)n : 0u);
            forget_unread();
        }
        had_listener = silent == 0;
        if (poll(watched + silent, 2 - silent, silent != 0 ? HUNG_UP_MS : -1) < 0) {
            continue; /* a signal */
        }
        if (watched[1].revents != 0 && read(STDIN_FILENO, chunk, sizeof(chunk)) <= 0) {
            _exit(0); /* nobody is left to talk to */
        }
        if (watched[0].revents != 0) {
            const ssize_t n = read(terminal, chunk, sizeof(chunk));
            take_in(chunk, n > 0 ? (size_t)n : 0u);
        }
    }
}

/* A new terminal in raw mode. Its other end is opened and closed, so that it is known from then on
 * whether anybody has it open. */
static void open_terminal(void)
{
    terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
        give_up("cannot make a pseudo-terminal");
    }
    const char *name = ptsname(terminal);
    const int other = name == NULL ? -1 : open(name, O_RDWR | O_NOCTTY);
    struct termios mode;
    if (other < 0 || tcgetattr(other, &mode) != 0) {
        give_up("cannot open the pseudo-terminal");
    }
    cfmakeraw(&mode);
    char line[64];
    const int len = snprintf(line, sizeof(line), "%s\n", name);
    if (tcsetattr(other, TCSANOW, &mode) != 0 || write(STDOUT_FILENO, line, (size_t)len) != len) {
        give_up("cannot set up the pseudo-terminal");
    }
    close(other);
    if (read(STDIN_FILENO, line, sizeof(line)) <= 0) {
        _exit(0);
    }
}

static ssize_t print(void *unused, const char *data, size_t len)
{
    (void)unused;
    text_write((const uint8_t *)data, len);
    return (ssize_t)len;
}

void console_init(void)
{
    const char *resumed = getenv(RESUME);
    if (resumed != NULL) {
        terminal = atoi(resumed);
    } else {
        open_terminal();
    }
    static char line[128];
    const cookie_io_functions_t functions = {.write = print};
    pthread_t thread;
    /* printf goes where the frames go */
    stdout = fopencookie(NULL, "w", functions);
    if (stdout == NULL || setvbuf(stdout, line, _IOLBF, sizeof(line)) != 0 ||
        pthread_create(&thread, NULL, receive, NULL) != 0) {
        give_up("cannot start the console");
    }
}

void console_set_baud(uint32_t baud)
{
    (void)baud; /* a pseudo-terminal has no rate */
}

void console_write(const uint8_t *data, size_t len)
{
    if (!has_listener()) {
        return;
    }
    while (len > 0) {
        const ssize_t n = write(terminal, data, len);
        if (n < 0 && errno != EINTR) {
            give_up("cannot write to the console");
        }
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0u;
    }
}

bool console_read(uint8_t *byte)
{
    /* some at a time: the lock costs more than they do */
    static uint8_t taken[64];
    static uint32_t count, next;
    if (next == count) {
        next = count = 0;
        pthread_mutex_lock(&rx.lock);
        while (rx.head != rx.tail && count < sizeof(taken)) {
            taken[count++] = rx.data[rx.tail++ % CONFIG_RX_SIZE];
        }
        pthread_mutex_unlock(&rx.lock);
    }
    if (next == count) {
        return false;
    }
    *byte = taken[next++];
    return true;
}

void console_wait(void)
{
    pthread_mutex_lock(&rx.lock);
    while (rx.head == rx.tail) {
        pthread_cond_wait(&rx.filled, &rx.lock);
    }
    pthread_mutex_unlock(&rx.lock);
}

uint32_t console_overruns(void)
{
    return rx.overruns;
}

void console_hold(void)
{
    /* another thread receives */
}

void console_release(void)
{
}

/* ---- the rest ------------------------------------------------------------------------------- */

uint32_t memory_heap_used(void)
{
    return (uint32_t)mallinfo2().uordblks; /* 0 under a sanitizer, which has a heap of its own */
}

uint32_t memory_stack_used(void)
{
    return 0; /* not measured: a process's stack says nothing about a target's */
}

uint32_t platform_cpuid(void)
{
    return 0;
}

void platform_reset(void)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", terminal);
    setenv(RESUME, number, 1);
    execl("/proc/self/exe", "firmware", (char *)NULL);
    give_up("cannot start again");
}
