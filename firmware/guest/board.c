/* SPDX-License-Identifier: Apache-2.0
 * The guest on a board: its files are in flash, its end is the program's. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "agent/agent.h"
#include "board_config.h"
#include "guest/guest.h"
#include "platform/platform.h"

#define MOST_OPEN 8
#define FIRST_FILE 3 /* after standard input, output and error */

/* newlib declares these nowhere for us */
int main(void);
int _open(const char *name, int flags, ...);
int _read(int file, char *data, int len);
int _write(int file, const char *data, int len);
int _close(int file);
int _fstat(int file, struct stat *st);
int _isatty(int file);
off_t _lseek(int file, off_t offset, int whence);
_Noreturn void _exit(int code);

/* content: NULL for a file that is written, and goes nowhere */
static struct {
    bool taken;
    const guest_file *content;
    size_t at;
} open_files[MOST_OPEN];

static void halt(void)
{
    for (;;) {
        console_wait();
    }
}

int main(void)
{
    static char line[128];
    setvbuf(stdout, line, _IOLBF, sizeof(line));
    ticks_init();
    console_init();
    guest_tell_end(guest_run());
    halt();
    return 0;
}

void _exit(int code)
{
    guest_tell_end(code);
    for (;;) {
        halt();
    }
}

void agent_report_fault(const agent_fault *f)
{
    printf("\n[guest: fault %lu at %08lX called from %08lX cfsr %08lX]\n", (unsigned long)f->exception,
           (unsigned long)f->pc, (unsigned long)f->lr, (unsigned long)f->cfsr);
    fflush(stdout);
}

uint32_t guest_ms(void)
{
    return (uint32_t)(time_now() / (CONFIG_CORE_HZ / 1000u));
}

uint32_t guest_us(void)
{
    return (uint32_t)(time_now() * 1000u / (CONFIG_CORE_HZ / 1000u));
}

/* ---- files ---------------------------------------------------------------------------------- */

static const guest_file *find(const char *name)
{
    while (strncmp(name, "./", 2) == 0) {
        name += 2;
    }
    for (size_t i = 0; i < guest_file_count; i++) {
        if (strcmp(guest_files[i].name, name) == 0) {
            return &guest_files[i];
        }
    }
    return NULL;
}

static void tell(const char *text)
{
    console_write((const uint8_t *)text, strlen(text));
}

int _open(const char *name, int flags, ...)
{
    const bool reads = (flags & O_ACCMODE) == O_RDONLY;
    const guest_file *content = reads ? find(name) : NULL;
    if (reads && content == NULL) {
        tell("\n[guest: no file ");
        tell(name);
        tell("]\n");
        errno = ENOENT;
        return -1;
    }
    for (int i = 0; i < MOST_OPEN; i++) {
        if (!open_files[i].taken) {
            open_files[i].taken = true;
            open_files[i].content = content;
            open_files[i].at = 0;
            return i + FIRST_FILE;
        }
    }
    errno = EMFILE;
    return -1;
}

static bool is_file(int file)
{
    return file >= FIRST_FILE && file < FIRST_FILE + MOST_OPEN && open_files[file - FIRST_FILE].taken;
}

static size_t size_of(int file)
{
    const guest_file *content = open_files[file - FIRST_FILE].content;
    return content == NULL ? 0 : (size_t)(content->end - content->begin);
}

int _read(int file, char *data, int len)
{
    if (!is_file(file)) {
        return 0;
    }
    const size_t left = size_of(file) - open_files[file - FIRST_FILE].at;
    const size_t n = (size_t)len < left ? (size_t)len : left;
    if (n > 0) {
        memcpy(data, open_files[file - FIRST_FILE].content->begin + open_files[file - FIRST_FILE].at, n);
        open_files[file - FIRST_FILE].at += n;
    }
    return (int)n;
}

int _write(int file, const char *data, int len)
{
    if (!is_file(file)) {
        console_write((const uint8_t *)data, (size_t)len);
    }
    return len;
}

int _close(int file)
{
    if (!is_file(file)) {
        errno = EBADF;
        return -1;
    }
    open_files[file - FIRST_FILE].taken = false;
    return 0;
}

int _fstat(int file, struct stat *st)
{
    st->st_mode = is_file(file) ? S_IFREG : S_IFCHR;
    st->st_size = is_file(file) ? (off_t)size_of(file) : 0;
    return 0;
}

int _isatty(int file)
{
    return !is_file(file);
}

off_t _lseek(int file, off_t offset, int whence)
{
    if (!is_file(file)) {
        return 0;
    }
    const off_t size = (off_t)size_of(file);
    const off_t from = whence == SEEK_SET   ? 0
                       : whence == SEEK_END ? size
                                            : (off_t)open_files[file - FIRST_FILE].at;
    const off_t to = from + offset;
    if (to < 0 || to > size) {
        errno = EINVAL;
        return -1;
    }
    open_files[file - FIRST_FILE].at = (size_t)to;
    return to;
}
