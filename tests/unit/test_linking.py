"""Where an image lies: at every allowed origin a loader gets the image's bytes and no others."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyocd.flash.file_programmer import FileProgrammer

from nnom_hil.boards import Board, find_board
from nnom_hil.codegen.firmware import linker_script
from nnom_hil.codegen.renode import platform_description
from nnom_hil.paths import firmware_dir
from nnom_hil.target.symbols import load_pieces
from nnom_hil.tool import find_tool

# some of each section, and data that needs more than a word's alignment
SOURCE = """
#include <stdint.h>
extern uint32_t stack_top[];
void reset_handler(void);
__attribute__((section(".vectors"), used)) void *const vectors[2] =
    {stack_top, (void *)reset_handler};
__attribute__((section(".ARM.exidx.text"), used)) const uint32_t unwinding[2] = {1, 2};
_Alignas(16) uint8_t initial[3] = {1, 2, 3};
volatile uint64_t zeros[5];
const char text[] = "constant";
void reset_handler(void) { zeros[1] = initial[2] + (uint8_t)text[zeros[0]]; }
"""
TEMPLATE = (firmware_dir() / "platform" / "link.ld.in").read_text()
PAGE = 0x1_0000  # the largest that ld knows for Arm; Debian's has 0x1000
FLASH = 0x0800_0000


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linking")
    (folder / "image.c").write_text(SOURCE)
    subprocess.run(
        [find_tool("arm-none-eabi-gcc"), "-mcpu=cortex-m4", "-mthumb", "-O1", "-fdata-sections",
         "-c", "image.c"],
        cwd=folder, check=True,
    )  # fmt: skip
    return folder / "image.o"


def board_at(flash: int, ram: int = 0x2000_0000) -> Board:
    board = find_board("stm32f4")
    regions = {
        "flash": board.memory.flash.model_copy(update={"origin": flash}),
        "ram": board.memory.ram.model_copy(update={"origin": ram}),
    }
    return board.model_copy(update={"memory": board.memory.model_copy(update=regions)})


def link(compiled: Path, board: Board, page: int = 0x1000) -> Path:
    """Link as the firmware is, but for the pages' size, which is the linker's choice."""
    elf = compiled.with_suffix(".elf")
    compiled.with_suffix(".ld").write_text(linker_script(TEMPLATE, board))
    subprocess.run(
        [find_tool("arm-none-eabi-ld"), f"-T{compiled.with_suffix('.ld')}", "--gc-sections",
         f"-zmax-page-size={page}", compiled, "-o", elf],
        check=True,
    )  # fmt: skip
    return elf


def image_bytes(elf: Path) -> bytes:
    """What objcopy takes for the image, by sections, from its lowest address on."""
    out = elf.with_suffix(".bin")
    subprocess.run([find_tool("arm-none-eabi-objcopy"), "-Obinary", elf, out], check=True)
    return out.read_bytes()


def check_pieces(pieces: list[tuple[int, bytes]], board: Board, wanted: bytes) -> None:
    """They begin at the origin, follow each other, and are what the sections hold."""
    start = board.memory.flash.origin
    memory = bytearray(len(wanted))
    for address, data in pieces:
        assert start <= address
        assert address + len(data) <= start + len(wanted)
        memory[address - start : address - start + len(data)] = data
    assert bytes(memory) == wanted
    assert sum(len(data) for _, data in pieces) == len(wanted)
    first = pieces[0][1]
    stack, reset = (int.from_bytes(first[at : at + 4], "little") for at in (0, 4))
    assert stack == board.memory.ram.end
    assert start < reset < start + len(wanted)


def handed_to_pyocd(elf: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
    """What pyOCD's own command line would program."""
    taken: list[tuple[int, bytes]] = []
    loader = SimpleNamespace(add_data=lambda address, data: taken.append((address, bytes(data))))
    monkeypatch.setattr("pyocd.flash.file_programmer.FlashLoader", lambda *_: loader)
    FileProgrammer(None).add_file(str(elf))
    return taken


def test_at_every_multiple_of_512_the_loader_gets_the_image_only(
    compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for offset in range(0, PAGE, 512):
        board = board_at(FLASH + offset)
        elf = link(compiled, board, PAGE if offset % 1024 else 0x1000)
        pieces = load_pieces(elf)
        assert pieces == handed_to_pyocd(elf, monkeypatch)
        check_pieces(pieces, board, image_bytes(elf))


@settings(max_examples=25, deadline=None)
@given(
    flash=st.integers(0, 0x1FFF_FFFF // 512).map(lambda n: n * 512),
    ram=st.integers(0, 0x0FFF_FFFF // 8).map(lambda n: 0x3000_0000 + n * 8),
    page=st.sampled_from([4, 0x1000, PAGE]),
)
def test_at_any_origins(compiled: Path, flash: int, ram: int, page: int) -> None:
    board = board_at(flash, ram)
    elf = link(compiled, board, page)
    check_pieces(load_pieces(elf), board, image_bytes(elf))


@given(
    offset=st.integers(0, PAGE // 512).map(lambda n: 512 * n),
    ram=st.integers(0, 127).map(lambda n: 8 * n),
)
def test_renode_maps_whole_pages_around_the_memories(offset: int, ram: int) -> None:
    """It refuses others: 1,024 bytes on a Cortex-M."""
    board = board_at(FLASH + offset, 0x2000_0000 + ram)
    found = re.findall(
        r"MappedMemory @ sysbus (0x\w+)\n    size: (0x\w+)", platform_description(board)
    )
    for region, (start, size) in zip(
        (board.memory.flash, board.memory.ram),
        ((int(a, 16), int(b, 16)) for a, b in found),
        strict=True,
    ):
        assert start % 1024 == size % 1024 == 0
        assert start <= region.origin < start + 1024
        assert region.end <= start + size < region.end + 1024


@pytest.fixture
def qemu(compiled: Path) -> Iterator[Any]:
    """Return what QEMU holds in its flash before the first instruction, for an image."""
    processes = []

    def flash_of(elf: Path) -> bytes:
        argv = ["qemu-system-arm", "-machine", "netduinoplus2", "-S", "-display", "none",
                "-nodefaults", "-qmp", "stdio", "-kernel", str(elf)]  # fmt: skip
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        dump = elf.with_suffix(".dump")
        where = {"val": FLASH, "size": 1 << 20, "filename": str(dump)}
        commands: list[dict[str, Any]] = [
            {"execute": "qmp_capabilities"},
            {"execute": "pmemsave", "arguments": where},
            {"execute": "quit"},
        ]
        process.communicate("".join(map(json.dumps, commands)).encode(), timeout=60)
        return dump.read_bytes()

    yield flash_of
    for process in processes:
        process.kill()


@pytest.mark.parametrize("offset", [0, 0x200, 0x400, 0x1000, 0x4200])
def test_qemu_loads_the_image_only(offset: int, compiled: Path, qemu: Any) -> None:
    elf = link(compiled, board_at(FLASH + offset))
    wanted = image_bytes(elf)
    memory = qemu(elf)
    assert memory[offset:][: len(wanted)] == wanted
    assert not any(memory[:offset])
    assert not any(memory[offset + len(wanted) :])
