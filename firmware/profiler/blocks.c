/* SPDX-License-Identifier: Apache-2.0
 * TCG plugin: how often the guest executed each translated block, from mark to mark.
 *
 *     -plugin blocks.so,out=FILE,mark=ADDRESS
 *
 * A mark is the start of the function at ADDRESS. FILE gets, for each stretch up to a mark and for
 * the last one, a line "mark" and a line "START INSTRUCTIONS EXECUTIONS" for each block that ran; at
 * its end "end". With probe=on QEMU ends at once, which shows that it can load the plugin. What an instruction is and to which function it belongs is read from the ELF file afterwards.
 *
 * QEMU's header is in no distribution's package, so that what is used of it is declared here; API is
 * the version of the interface, 1 for QEMU 7 and 8. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef API
#define API 1
#endif
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id_t;
struct qemu_plugin_tb;
typedef void on_translation_t(plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void on_execution_t(unsigned int cpu, void *data);
typedef void on_exit_t(plugin_id_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id_t id, on_translation_t *called);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, on_execution_t *called,
                                          int flags, void *data);
void qemu_plugin_register_atexit_cb(plugin_id_t id, on_exit_t *called, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_version = API;
EXPORT int qemu_plugin_install(plugin_id_t id, const void *info, int argc, char **argv);

typedef struct block {
    struct block *next;
    uint64_t start, executions;
    size_t instructions;
} block_t;

static block_t *blocks; /* whatever was translated; a block may be there more than once */
static FILE *out;
static uint64_t mark;

static void write_stretch(void)
{
    fprintf(out, "mark\n");
    for (block_t *b = blocks; b != NULL; b = b->next) {
        if (b->executions > 0) {
            fprintf(out, "%" PRIx64 " %zu %" PRIu64 "\n", b->start, b->instructions, b->executions);
            b->executions = 0;
        }
    }
}

static void executed(unsigned int cpu, void *data)
{
    (void)cpu;
    ((block_t *)data)->executions++;
}

static void passed_mark(unsigned int cpu, void *data)
{
    (void)cpu, (void)data;
    write_stretch();
}

static void translated(plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    block_t *b = malloc(sizeof(*b));
    if (b == NULL) {
        fprintf(stderr, "blocks: no memory for another block\n");
        exit(1);
    }
    *b = (block_t){blocks, qemu_plugin_tb_vaddr(tb), 0, qemu_plugin_tb_n_insns(tb)};
    blocks = b;
    if (b->start == mark) {
        qemu_plugin_register_vcpu_tb_exec_cb(tb, passed_mark, 0, NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, b);
}

static void finish(plugin_id_t id, void *data)
{
    (void)id, (void)data;
    write_stretch();
    fprintf(out, "end\n");
    if (fclose(out) != 0) {
        fprintf(stderr, "blocks: the counts could not be written\n");
    }
}

int qemu_plugin_install(plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        } else if (strcmp(argv[i], "probe=on") == 0) {
            exit(0);
        } else if (strncmp(argv[i], "mark=", 5) == 0) {
            mark = strtoull(argv[i] + 5, NULL, 0);
        }
    }
    if (out == NULL) {
        fprintf(stderr, "blocks: out=FILE is missing or cannot be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
