/* SPDX-License-Identifier: Apache-2.0
 * The few system calls that newlib needs: text goes to the console, the heap lies below the
 * stack. Those about files and the program's end are weak: guests have their own. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "platform/platform.h"
#include "platform/text.h"

extern uint8_t heap_start[], heap_end[];

static uint8_t *heap_top = heap_start;

uint32_t memory_heap_used(void)
{
    return (uint32_t)(heap_top - heap_start);
}

/* newlib declares these nowhere for us */
void *_sbrk(ptrdiff_t increment);
int _write(int file, const char *data, int len);
int _read(int file, char *data, int len);
int _close(int file);
int _fstat(int file, struct stat *st);
int _isatty(int file);
off_t _lseek(int file, off_t offset, int whence);
_Noreturn void _exit(int code);
int _kill(int pid, int sig);
int _getpid(void);

void *_sbrk(ptrdiff_t increment)
{
    uint8_t *const old = heap_top;
    if (increment > heap_end - heap_top || increment < heap_start - heap_top) {
        errno = ENOMEM;
        return (void *)-1;
    }
    heap_top += increment;
    return old;
}

__attribute__((weak)) int _write(int file, const char *data, int len)
{
    (void)file;
    text_write((const uint8_t *)data, (size_t)len);
    return len;
}

__attribute__((weak)) int _read(int file, char *data, int len)
{
    (void)file, (void)data, (void)len;
    return 0;
}

__attribute__((weak)) int _close(int file)
{
    (void)file;
    return -1;
}

__attribute__((weak)) int _fstat(int file, struct stat *st)
{
    (void)file;
    st->st_mode = S_IFCHR;
    return 0;
}

__attribute__((weak)) int _isatty(int file)
{
    (void)file;
    return 1;
}

__attribute__((weak)) off_t _lseek(int file, off_t offset, int whence)
{
    (void)file, (void)offset, (void)whence;
    return 0;
}

__attribute__((weak)) void _exit(int code)
{
    (void)code;
    platform_reset();
}

int _kill(int pid, int sig)
{
    (void)pid, (void)sig;
    errno = EINVAL;
    return -1;
}

int _getpid(void)
{
    return 1;
}
