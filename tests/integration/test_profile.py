"""Profiles are exact: what ran, how often, and where it went on."""

import subprocess
from pathlib import Path

import pytest

from nnom_hil.boards import Cpu
from nnom_hil.profiler.counting import Stretch, function_extent, plugin_options, stretches_of
from nnom_hil.profiler.listing import disassemble

PROGRAM = """
    .syntax unified
    .cpu cortex-m4
    .thumb
    .section .vectors, "a"
    .word 0x20001000, reset + 1
    .rept 13
    .word hang + 1
    .endr
    .word tick + 1
    .text
    .thumb_func
    .global reset
    .type reset, %function
reset:
    ldr r4, =0xE000E010      @ SysTick
    movs r5, #0
    bl mark
    movs r0, #10
1:  adds r5, #1              @ a loop: falls into its body, goes back nine times
    subs r0, #1
    bne 1b
    movs r0, #3
2:  cbz r0, 3f               @ taken once, at the end
    ldr r1, [r4, #8]         @ a device in the middle of a block
    adds r5, r1
    subs r0, #1
    b 2b
3:  bl mark
    movs r0, #100            @ an interrupt every ten instructions or so
    str r0, [r4, #4]
    str r0, [r4, #8]
    movs r0, #7
    str r0, [r4]
    movs r0, #200
4:  subs r0, #1
    bne 4b
    movs r0, #0
    str r0, [r4]
    bl mark
    ldr r0, =0xE000ED0C      @ reset
    ldr r1, =0x05FA0004
    str r1, [r0]
    .size reset, . - reset
    .thumb_func
hang: b hang
    .thumb_func
    .global mark
mark: bx lr
    .thumb_func
    .global tick
    .type tick, %function
tick:
    push {r0, lr}
    pop {r0, pc}
    .size tick, . - tick
"""
_LINK = "SECTIONS { . = 0x08000000; .all : { *(.vectors) *(.text) } }"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.S").write_text(PROGRAM)
    (folder / "link.ld").write_text(_LINK)
    command = ["arm-none-eabi-gcc", "-nostdlib", "-Tlink.ld", "program.S", "-o", "program.elf"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program.elf"


def run(elf: Path, *more: str) -> list[Stretch]:
    counts = elf.with_name("counts.txt")
    mark, _ = function_extent(elf, "mark")
    options = plugin_options(counts, [mark], aside=function_extent(elf, "tick"))
    subprocess.run(
        ["qemu-system-arm", "-machine", "netduinoplus2", "-nodefaults", "-display", "none",
         "-monitor", "none", "-no-reboot", "-kernel", elf, *options, *more],
        check=True,
        timeout=300,
    )  # fmt: skip
    stretches = stretches_of(counts)
    assert [stretch.mark for stretch in stretches] == [0, mark, mark, mark]
    return list(stretches)


def executions(elf: Path, stretch: Stretch) -> dict[str, int]:
    """Return how often each instruction ran, by what it is."""
    listing = disassemble(elf, Cpu.CORTEX_M4)
    counts: dict[str, int] = {}
    for block in stretch.blocks:
        address = block.start
        for _ in range(block.instructions):
            one = listing[address]
            key = f"{one.function} {one.name} {one.operands.split(' <')[0]}"
            counts[key] = counts.get(key, 0) + block.executions
            address += one.size
    return counts


@pytest.mark.parametrize("more", [[], ["-icount", "shift=3,align=off"]], ids=["plain", "icount"])
def test_loops_and_devices_are_counted_once(program: Path, more: list[str]) -> None:
    stretch = run(program, *more)[1]
    counts = executions(program, stretch)
    by_name: dict[str, int] = {}
    for key, times in counts.items():
        name = key.split()[1]
        by_name[name] = by_name.get(name, 0) + times
    assert by_name == {
        "bx": 1,
        "movs": 2,
        "adds": 10 + 3,
        "subs": 10 + 3,
        "b": 10 + 3,
        "cbz": 4,
        "ldr": 3,
        "bl": 1,
    }
    assert stretch.instructions == sum(by_name.values())
    # bx back, bne 9 times, b 3 times, cbz once, bl
    assert sum(block.taken for block in stretch.blocks) == 1 + 9 + 3 + 1 + 1
    assert all(block.taken <= block.executions for block in stretch.blocks)


def test_interrupts_are_no_branches(program: Path) -> None:
    stretch = run(program, "-icount", "shift=3,align=off")[2]
    counts = executions(program, stretch)
    interrupts = counts["tick push {r0, lr}"]
    assert interrupts > 3
    assert sum(block.taken for block in stretch.blocks) == 1 + 199 + 1
