#!/usr/bin/env bash
# QEMU 7.2 (Debian 12, qemu-system-arm 1:7.2+dfsg): a TCG plugin that asks for loads is told of stores alone.
#
# qemu_plugin_register_vcpu_mem_cb() takes which accesses the plugin wants: 1 reads, 2 writes, 3 both. With 1 the
# callback comes for stores and never for a load; with 2 it comes for both. qemu_plugin_mem_is_store() tells the truth
# about each. So a plugin that counts loads, or a cache's reads, asks for both and drops the stores itself, or it
# counts the opposite and looks plausible. QEMU 10.0 (Debian 13) does as it is asked.
#
# Seen on 7.2, a loop of two loads and a store, ten times: "1: 0 loads, 10 stores; 2: 20 loads, 10 stores; 3: 20
# loads, 10 stores". On 10.0: "1: 20 loads, 0 stores; 2: 0 loads, 10 stores; 3: 20 loads, 10 stores".
set -euo pipefail
for tool in qemu-system-arm arm-none-eabi-gcc cc; do
    command -v "$tool" >/dev/null || { echo "needs $tool"; exit 2; }
done
version=$(qemu-system-arm --version | sed -n '1s/.*version \([0-9]*\.[0-9]*\).*/\1/p')
case $version in
    7.2) api=1; expected="1: 0 loads, 10 stores; 2: 20 loads, 10 stores; 3: 20 loads, 10 stores; " ;;
    10.0) api=4; expected="1: 20 loads, 0 stores; 2: 0 loads, 10 stores; 3: 20 loads, 10 stores; " ;;
    *) echo "needs QEMU 7.2 or 10.0, this is $version"; exit 2 ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >plugin.c <<'C'
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))
struct block;
struct insn;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*called)(uint64_t, struct block *));
void qemu_plugin_register_vcpu_mem_cb(struct insn *insn,
                                      void (*called)(unsigned, uint32_t, uint64_t, void *),
                                      int flags, int accesses, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*called)(uint64_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct block *block);
struct insn *qemu_plugin_tb_get_insn(const struct block *block, size_t index);
bool qemu_plugin_mem_is_store(uint32_t info);
EXPORT int qemu_plugin_version = API;

static unsigned seen[4][2];

static void accessed(unsigned cpu, uint32_t info, uint64_t address, void *asked)
{
    (void)cpu, (void)address;
    seen[(size_t)asked][qemu_plugin_mem_is_store(info)]++;
}

static void translated(uint64_t id, struct block *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        for (size_t asked = 1; asked <= 3; asked++) {
            qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, i), accessed, 0,
                                             (int)asked, (void *)asked);
        }
    }
}

static void finish(uint64_t id, void *data)
{
    (void)id, (void)data;
    for (int asked = 1; asked <= 3; asked++) {
        printf("%d: %u loads, %u stores; ", asked, seen[asked][0], seen[asked][1]);
    }
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
C
cat >app.s <<'S'
.syntax unified
.thumb
.word 0x20001000, start + 1
.thumb_func
start:
    movs r0, #1
    lsls r0, r0, #29
    movs r1, #10
again:
    ldr r2, [r0]
    ldr r2, [r0, #4]
    str r2, [r0]
    subs r1, #1
    bne again
stop:
    b stop
S
arm-none-eabi-gcc -mcpu=cortex-m3 -nostdlib -Wl,-Ttext=0,-estart app.s -o app.elf 2>/dev/null
cc -shared -fPIC -O2 -DAPI=$api plugin.c -o plugin.so
qemu-system-arm --version | head -1
# SIGTERM lets the plugin say what it saw
seen=$(timeout -s TERM 5 qemu-system-arm -machine mps2-an385 -display none -monitor none -serial null \
    -kernel app.elf -plugin ./plugin.so 2>/dev/null || true)
echo "$seen"
[ "$seen" = "$expected" ] || { echo "not as described"; exit 1; }
echo "as described"
