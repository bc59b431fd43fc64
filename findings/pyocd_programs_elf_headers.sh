#!/usr/bin/env bash
# GNU ld 2.40 with pyOCD 0.46.0: an application's ELF file overwrites the boot loader before it.
#
# Flash that begins at 0x0800_0400, behind a boot loader of 1 KiB, is a usual memory layout. With a linker script
# that names no program headers, ld puts the ELF header and its table into the first segment where they fit below
# the first section in its page, so that the segment begins at 0x0800_0000. pyOCD's FileProgrammer programs whole
# segments, as it must: what it hands to the flash loader has "\x7fELF" where the boot loader's vectors are.
# objcopy goes by sections and writes from 0x0800_0400 on; so does a script with PHDRS, or ld -n.
#
# Seen: "segments 0x08000000, with -n 0x08000400; pyOCD programs 7f454c46 at 0x08000000".
set -euo pipefail
command -v arm-none-eabi-ld >/dev/null || { echo "needs arm-none-eabi-ld (binutils-arm-none-eabi)"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyocd==0.46.0
cd "$folder"
cat >app.ld <<'LD'
MEMORY { FLASH (rx) : ORIGIN = 0x08000400, LENGTH = 64K }
SECTIONS { .text : { *(.text) } > FLASH }
LD
printf '.syntax unified\n.thumb\n.globl _start\n.word 0x20001000, 0x08000409\n_start: b _start\n' >app.s
arm-none-eabi-as -mcpu=cortex-m3 app.s -o app.o
arm-none-eabi-ld --version | head -1
arm-none-eabi-ld -T app.ld -e _start app.o -o app.elf
arm-none-eabi-ld -n -T app.ld -e _start app.o -o app_n.elf
"$folder/venv/bin/python" - <<'PY'
import sys

from elftools.elf.elffile import ELFFile
from pyocd.flash.file_programmer import FileProgrammer


class Loader:
    """Notes what a flash loader is handed."""

    def __init__(self):
        self.data = {}

    def add_data(self, address, data):
        self.data[address] = bytes(data)


def first_segment(name):
    with open(name, "rb") as file:
        return next(s["p_paddr"] for s in ELFFile(file).iter_segments() if s["p_type"] == "PT_LOAD")


programmer = FileProgrammer.__new__(FileProgrammer)  # no probe is needed to read a file
programmer._loader = Loader()
with open("app.elf", "rb") as file:
    programmer._program_elf(file)
((address, data),) = programmer._loader.data.items()
plain, without = first_segment("app.elf"), first_segment("app_n.elf")
print(
    f"segments {plain:#010x}, with -n {without:#010x}; pyOCD programs {data[:4].hex()} "
    f"at {address:#010x}"
)
wrong = (plain, without, address, data[:4]) != (0x0800_0000, 0x0800_0400, 0x0800_0000, b"\x7fELF")
sys.exit(wrong)
PY
echo "as described"
