/* SPDX-License-Identifier: Apache-2.0
 * TCG plugin: how often the guest executed each translated block, from mark to mark.
 *
 *     -plugin blocks.so,out=FILE,mark=ADDRESS,mark=ADDRESS,aside=START-END,
 *             flash=START-END,width=BYTES,code=BYTES,data=BYTES
 *
 * A mark is the start of the function at ADDRESS. FILE gets a line "from ADDRESS" for each stretch
 * that a mark begins, "from 0" for the first, and then, for each block that ran in it, a line
 *
 *     START INSTRUCTIONS EXECUTIONS TAKEN FOLLOWING ELSEWHERE DATA
 *
 * TAKEN: how often it went on elsewhere than behind its last instruction. What runs from START to
 * END, an interrupt's handler, comes between blocks without being where they went. With flash=,
 * FOLLOWING and ELSEWHERE are the reads of flash for code that a cache of `code` bytes does not hold, behind
 * the read before or not, and DATA those for data; `width` bytes come with each. At FILE's end there
 * is "end". With probe=on QEMU ends at once, which shows that it can load the plugin. What an
 * instruction is and to which function it belongs is read from the ELF file afterwards.
 *
 * QEMU's header is in no distribution's package, so that what is used of it is declared here; API is
 * the version of the interface, 1 for QEMU 7 and 8. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flash.h"

#ifndef API
#define API 1
#endif
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void on_translation_t(plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void on_execution_t(unsigned int cpu, void *data);
typedef void on_access_t(unsigned int cpu, uint32_t info, uint64_t address, void *data);
typedef void on_exit_t(plugin_id_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id_t id, on_translation_t *called);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, on_execution_t *called,
                                          int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, on_execution_t *called,
                                            int flags, void *data);
/* accesses: 3 for loads and stores; QEMU 7.2 takes loads for stores where one kind is asked for */
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, on_access_t *called, int flags,
                                      int accesses, void *data);
bool qemu_plugin_mem_is_store(uint32_t info);
void qemu_plugin_register_atexit_cb(plugin_id_t id, on_exit_t *called, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = API;
EXPORT int qemu_plugin_install(plugin_id_t id, const void *info, int argc, char **argv);

#define MOST_MARKS 8
#define PAGE 1024u /* bytes of QEMU's smallest, or a part of them */

/* end: the address behind its last instruction, which begins at last */
typedef struct block {
    struct block *next;
    struct block *parts, *next_part; /* what ran of it where it was left within */
    uint64_t start, last, end, executions, taken;
    uint64_t following, elsewhere, data; /* reads of flash */
    size_t instructions;
    bool is_mark;
    uint8_t sizes[]; /* bytes of each instruction */
} block_t;

static block_t *blocks; /* whatever was translated; a block may be there more than once */
static block_t *before; /* what ran before */
static bool before_is_whole;
static FILE *out;
static uint64_t marks[MOST_MARKS];
static size_t mark_count;
static uint64_t aside_start, aside_end;
static uint64_t flash_start, flash_end;
static flash_cache_t code_cache, data_cache;

static block_t *add_block(uint64_t start, size_t instructions)
{
    block_t *b = calloc(1, sizeof(*b) + instructions);
    if (b == NULL) {
        fprintf(stderr, "blocks: no memory for another block\n");
        exit(1);
    }
    b->next = blocks;
    b->start = b->end = start;
    b->instructions = instructions;
    blocks = b;
    return b;
}

static void write_blocks(void)
{
    for (block_t *b = blocks; b != NULL; b = b->next) {
        if (b->executions > 0) {
            fprintf(out,
                    "%" PRIx64 " %zu %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                    b->start, b->instructions, b->executions, b->taken, b->following, b->elsewhere,
                    b->data);
        }
        b->executions = b->taken = b->following = b->elsewhere = b->data = 0;
    }
}

/* QEMU 7 looks at what stands across a page's end, and counts its first two bytes as the last of the
 * instruction in front, where a block ends then. */
static bool goes_straight_on(const block_t *b, uint64_t to)
{
    return to == b->end || (b->end % PAGE == 0 && to == b->end - 2 && to > b->last);
}

/* With -icount QEMU leaves a block at an instruction that reaches a device, does that one by itself
 * and goes on behind it: what ran is the block's first part. */
static void count_part(block_t *whole, uint64_t end)
{
    whole->executions--;
    block_t *b = whole->parts;
    while (b != NULL && b->end != end) {
        b = b->next_part;
    }
    if (b == NULL) {
        size_t instructions = 0;
        for (uint64_t at = whole->start; at < end; at += whole->sizes[instructions++]) {
        }
        b = add_block(whole->start, instructions);
        b->end = end;
        b->next_part = whole->parts;
        whole->parts = b;
    }
    b->executions++;
}

static void read_code(block_t *b)
{
    const uint64_t width = UINT64_C(1) << code_cache.shift;
    for (uint64_t at = b->start & ~(width - 1u); at < b->end; at += width) {
        const flash_read_t read = flash_read(&code_cache, (uint32_t)at);
        b->following += read == NEXT;
        b->elsewhere += read == ELSEWHERE;
    }
}

static void accesses(unsigned int cpu, uint32_t info, uint64_t address, void *data)
{
    (void)cpu;
    if (address >= flash_start && address < flash_end && !qemu_plugin_mem_is_store(info)) {
        ((block_t *)data)->data += flash_read(&data_cache, (uint32_t)address) != HELD;
    }
}

static void begins(unsigned int cpu, void *data)
{
    (void)cpu;
    block_t *b = data;
    if (b->start >= aside_start && b->start < aside_end) {
        b->executions++;
        return;
    }
    if (before != NULL) {
        if (!before_is_whole && b->start > before->start && b->start < before->end) {
            count_part(before, b->start);
        } else {
            before->taken += !goes_straight_on(before, b->start);
        }
    }
    if (b->is_mark) {
        write_blocks();
        fprintf(out, "from %" PRIx64 "\n", b->start);
    }
    if (b->start >= flash_start && b->start < flash_end) {
        read_code(b);
    }
    b->executions++;
    before = b;
    before_is_whole = false;
}

static void reaches_its_end(unsigned int cpu, void *data)
{
    (void)cpu;
    before_is_whole = before_is_whole || data == before;
}

static void translated(plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    const size_t n = qemu_plugin_tb_n_insns(tb);
    block_t *b = add_block(qemu_plugin_tb_vaddr(tb), n);
    struct qemu_plugin_insn *insn = NULL;
    for (size_t i = 0; i < n; i++) {
        insn = qemu_plugin_tb_get_insn(tb, i);
        b->last = qemu_plugin_insn_vaddr(insn);
        if (i > 0) {
            b->sizes[i - 1] = (uint8_t)(b->last - b->end);
        }
        b->end = b->last;
        if (flash_end > 0) {
            qemu_plugin_register_vcpu_mem_cb(insn, accesses, 0, 3, b);
        }
    }
    b->sizes[n - 1] = (uint8_t)qemu_plugin_insn_size(insn);
    b->end += b->sizes[n - 1];
    for (size_t i = 0; i < mark_count; i++) {
        b->is_mark = b->is_mark || b->start == marks[i];
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, begins, 0, b);
    qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, n - 1), reaches_its_end, 0,
                                           b);
}

static void finish(plugin_id_t id, void *data)
{
    (void)id, (void)data;
    write_blocks();
    fprintf(out, "end\n");
    if (fclose(out) != 0) {
        fprintf(stderr, "blocks: the counts could not be written\n");
    }
}

static void take_range(char *text, uint64_t *start, uint64_t *end)
{
    *start = strtoull(text, &text, 0);
    *end = *text == '-' ? strtoull(text + 1, NULL, 0) : 0;
}

int qemu_plugin_install(plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    uint32_t width = 4, code = 4, data = 4;
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        value = value == NULL ? argv[i] : value + 1;
        if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(value, "w");
        } else if (strcmp(argv[i], "probe=on") == 0) {
            exit(0);
        } else if (strncmp(argv[i], "mark=", 5) == 0 && mark_count < MOST_MARKS) {
            marks[mark_count++] = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "aside=", 6) == 0) {
            take_range(value, &aside_start, &aside_end);
        } else if (strncmp(argv[i], "flash=", 6) == 0) {
            take_range(value, &flash_start, &flash_end);
        } else if (strncmp(argv[i], "width=", 6) == 0) {
            width = (uint32_t)strtoul(value, NULL, 0);
        } else if (strncmp(argv[i], "code=", 5) == 0) {
            code = (uint32_t)strtoul(value, NULL, 0);
        } else if (strncmp(argv[i], "data=", 5) == 0) {
            data = (uint32_t)strtoul(value, NULL, 0);
        }
    }
    if (out == NULL) {
        fprintf(stderr, "blocks: out=FILE is missing or cannot be written\n");
        return 1;
    }
    if (!flash_cache_init(&code_cache, width, code) || !flash_cache_init(&data_cache, width, data)) {
        fprintf(stderr, "blocks: a cache holds at least one read, and no more than memory\n");
        return 1;
    }
    fprintf(out, "from 0\n");
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
