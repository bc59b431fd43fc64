/* SPDX-License-Identifier: Apache-2.0
 * Runs the guest and its shell's commands; the same on a board and on the host. */
#include "guest/guest.h"

#include <stdio.h>
#include <string.h>

#include "guest_config.h"

#define MOST_WORDS 16
#define LINE_SIZE 128

extern const guest_command __start_guest_commands[], __stop_guest_commands[];
extern const guest_command __start_guest_inits[], __stop_guest_inits[];

/* so that both sections exist */
static void nothing(int argc, char **argv)
{
    (void)argc, (void)argv;
}
__attribute__((section("guest_commands"), used)) static const guest_command no_command = {"", nothing};
__attribute__((section("guest_inits"), used)) static const guest_command no_init = {"", nothing};

/* The guest's own main(), of any of the types that one may have; this one, where it has none. */
__attribute__((weak)) int guest_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

static const guest_command *find(const char *name)
{
    for (const guest_command *c = __start_guest_commands; c < __stop_guest_commands; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

static void say(const char *line)
{
    char text[LINE_SIZE], *words[MOST_WORDS + 1] = {NULL};
    int count = 0;
    (void)snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word != NULL && count < MOST_WORDS; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    printf("msh >%s\n", line);
    const guest_command *command = count == 0 ? NULL : find(words[0]);
    if (command == NULL) {
        printf("%s: command not found.\n", line);
        return;
    }
    command->run(count, words);
    fflush(stdout);
}

int guest_run(void)
{
    static char name[] = "guest", *words[] = {name, NULL};
    for (const guest_command *c = __start_guest_inits; c < __stop_guest_inits; c++) {
        c->run(0, NULL);
    }
    int code = guest_main(1, words);
#ifdef GUEST_RETURNS_NOTHING
    code = 0;
#endif
    fflush(stdout);
    for (const guest_command *c = __start_guest_commands; c < __stop_guest_commands; c++) {
        if (c->name[0] != '\0') {
            printf("[guest: command %s]\n", c->name);
        }
    }
    static const char script[] = GUEST_SCRIPT; /* lines, each with its zero */
    for (const char *line = script; line < script + sizeof(script) - 1; line += strlen(line) + 1) {
        say(line);
    }
    return code;
}

void guest_tell_end(int code)
{
    fflush(stdout);
    printf("\n[guest: ended with %d]\n", code);
    fflush(stdout);
}
