#!/usr/bin/env bash
# Renode 1.15.3: SSUB8 and USUB8 leave wrong GE flags, so that SEL after them takes the wrong bytes.
#
# For r0 = 80FF7F01 and r1 = 12F4A98B, byte by byte: SSUB8 sets GE where the difference is not negative (0111), and
# SEL takes r0 there, r1 elsewhere: 12FF7F01. USUB8 sets it where there is no borrow (1100): 80FFA98B. Armv7-M ARM,
# A7.7; QEMU 7.2 and Unicorn 2 do so. The maxima of DSP cores are made of these two instructions.
#
# Seen: "0x80F47F8B 0x12F47F01" (needs Renode: NNOM_HIL_RENODE or on PATH; and arm-none-eabi-gcc).
set -euo pipefail
renode=${NNOM_HIL_RENODE:-renode}
command -v "$renode" >/dev/null || { echo "needs renode, on PATH or named by NNOM_HIL_RENODE"; exit 2; }
command -v arm-none-eabi-gcc >/dev/null || { echo "needs arm-none-eabi-gcc"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >ge.S <<'S'
.syntax unified
.cpu cortex-m4
.thumb
.word 0x20001000, start + 1
.thumb_func
start:
    ldr r7, =0x20000000
    ldr r0, =0x80FF7F01
    ldr r1, =0x12F4A98B
    ssub8 r2, r0, r1
    sel r3, r0, r1
    str r3, [r7]
    usub8 r2, r0, r1
    sel r3, r0, r1
    str r3, [r7, #4]
    b .
S
arm-none-eabi-gcc -nostdlib -Wl,-Ttext=0,-e,0 ge.S -o ge.elf 2>/dev/null
cat >ge.repl <<'R'
nvic: IRQControllers.NVIC @ sysbus 0xE000E000
    IRQ -> cpu@0
cpu: CPU.CortexM @ sysbus
    cpuType: "cortex-m4"
    nvic: nvic
flash: Memory.MappedMemory @ sysbus 0
    size: 0x1000
ram: Memory.MappedMemory @ sysbus 0x20000000
    size: 0x1000
R
cat >ge.resc <<R
mach create "m"
machine LoadPlatformDescription @$folder/ge.repl
sysbus LoadELF @$folder/ge.elf
start
sleep 1
pause
sysbus ReadDoubleWord 0x20000000
sysbus ReadDoubleWord 0x20000004
quit
R
TMPDIR=$folder "$renode" --plain --disable-gui --console --hide-log -e "include @$folder/ge.resc" |
    grep -o '0x[0-9A-F]*' | tr '\n' ' '
echo "(right: 0x12FF7F01 0x80FFA98B)"
