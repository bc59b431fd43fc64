/* SPDX-License-Identifier: Apache-2.0
 * A program that is not ours, on our platform: its main() is called guest_main(). */
#ifndef GUEST_H
#define GUEST_H

#include <stddef.h>
#include <stdint.h>

/* What a shell would offer: MSH_CMD_EXPORT() and its kind put these into a section. */
typedef struct {
    const char *name;
    void (*run)(int argc, char **argv);
} guest_command;

/* Runs the guest: what it exports for its start, main(), then the script's commands. Returns what
 * main() returned. */
int guest_run(void);

/* Says on the console that the guest has ended, for whoever listens. */
void guest_tell_end(int code);

/* Files of the project, which the guest may open for reading. */
typedef struct {
    const char *name;
    const uint8_t *begin, *end;
} guest_file;
extern const guest_file guest_files[];
extern const size_t guest_file_count;

uint32_t guest_ms(void);
uint32_t guest_us(void);

#endif
