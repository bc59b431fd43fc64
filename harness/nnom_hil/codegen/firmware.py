"""What the firmware is told about its board and model: headers and link.ld, as text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template

from nnom_hil.boards import Board, Cpu, Step
from nnom_hil.codegen.layouts import DenseOrder, HeaderOptions, Layout
from nnom_hil.codegen.mlperf import MlperfSettings

__all__ = [
    "FRAME_OVERHEAD",
    "FirmwareSettings",
    "board_config_h",
    "compact_ring",
    "config_h",
    "cpu_flags",
    "library_switches",
    "linker_script",
    "stack_bytes",
]

_CONTENT_HEAD = 8  # before the input: index, label, form, unit
FRAME_OVERHEAD = 4 + _CONTENT_HEAD + 4
"""Bytes of a slice that holds a whole vector beside the input (docs/protocol.md)."""

_WORD = 0xFFFFFFFF
_CACHED = frozenset({Cpu.CORTEX_M7, Cpu.CORTEX_M55})
_SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
_STACK_BYTES = 4096
_HEAP_MIN_BYTES = 1024
_WINDOW_VECTORS = 4
_RX_MIN_BYTES = 4096
_MLPERF_RX_BYTES = 256
_COMPACT_BYTES = 512
_COMPACT_BYTES_PER_ELEMENT = 5
_MAX_SLOTS = 8
_SLOTS_BYTES = 4096  # that slots may take together, where one alone does not take more
_SMALLEST_GRANULE = 8
_GRANULES = 4096  # that a slice's offset can tell
_RAM_SHARE = 8  # of the RAM at most for each of what only makes the link better


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareSettings:
    """input_bytes and model_hash describe the model; compat selects NNoM 0.4.3's own results.
    header: how weights.h is written.

    step, stride: how far an input's left and upper neighbours are, for the compact encoding; 0
    where its rows are too long for it. mlperf: for firmware that speaks MLPerf Tiny's protocol.
    """

    input_bytes: int
    step: int = 0
    stride: int = 0
    model_hash: str
    compat: bool = False
    header: HeaderOptions = field(default_factory=HeaderOptions)
    mlperf: MlperfSettings | None = None


def library_switches(settings: FirmwareSettings) -> list[str]:
    """Return the NNoM library's switches, as C definitions, that the header demands."""
    header = settings.header
    switches = ["NNOM_USING_CHW"] if header.layout is Layout.CHW else []
    return switches + (["DENSE_WEIGHT_OPT=0"] if header.dense_order is DenseOrder.PLAIN else [])


def compact_ring(board: Board, settings: FirmwareSettings) -> int:
    """Return the elements that the compact encoding's decoder keeps; 0 where it has no place."""
    ring = settings.step + settings.stride
    room = board.memory.ram.length // _RAM_SHARE
    return ring if _COMPACT_BYTES_PER_ELEMENT * ring + _COMPACT_BYTES <= room else 0


def cpu_flags(board: Board) -> str:
    """Return GCC's flags for the board's core, or for the sanitizers of a native one."""
    if board.backend.native is not None:
        return _SANITIZERS if board.backend.native.sanitize else ""
    flags = f"-mcpu={board.core.cpu.value} -mthumb"
    if board.core.fpu is not None:
        return f"{flags} -mfpu={board.core.fpu} -mfloat-abi=hard"
    return f"{flags} -mfloat-abi=soft"


def rx_size(board: Board, settings: FirmwareSettings) -> int:
    """Return the receive ring's bytes: room for some vectors ahead, within an eighth of the RAM."""
    if settings.mlperf is not None:  # a command is answered before the next one comes
        return _MLPERF_RX_BYTES
    # COBS adds one byte in 254 and the delimiters, CRC and header some more
    frame = settings.input_bytes + FRAME_OVERHEAD
    encoded = frame + frame // 254 + 3
    wanted = max(_RX_MIN_BYTES, _WINDOW_VECTORS * encoded)
    affordable = max(2 * encoded, board.memory.ram.length // _RAM_SHARE)
    # a power of two, at least two frames, so that one is received while one is computed
    floor, size = 2 * encoded, 256
    while size * 2 <= min(wanted * 2 - 1, affordable) or size < floor:
        size *= 2
    return size


def slots(board: Board, settings: FirmwareSettings) -> int:
    """Return how many vectors can be on their way in slices at once: a power of two, or 0."""
    size = settings.input_bytes + _CONTENT_HEAD
    room = board.memory.ram.length // _RAM_SHARE
    if size > room:
        return 0
    count = 1
    while count < _MAX_SLOTS and 2 * count * size <= min(_SLOTS_BYTES, room // 2):
        count *= 2
    return count


def granule(settings: FirmwareSettings) -> int:
    """Return the bytes at whose multiples slices begin."""
    size = _SMALLEST_GRANULE
    while size * _GRANULES < settings.input_bytes + _CONTENT_HEAD:
        size *= 2
    return size


def config_h(board: Board, settings: FirmwareSettings, *, image_id: str) -> str:
    """Return config.h: what depends on the model, and the board's."""
    strings = {"MODEL_HASH": settings.model_hash, "IMAGE_ID": image_id}
    ring = compact_ring(board, settings)
    places = slots(board, settings)
    numbers = {
        "RX_SIZE": rx_size(board, settings),
        "COMPACT_STEP": settings.step if ring else 0,
        "COMPACT_STRIDE": settings.stride if ring else 0,
        "COMPACT_RING": ring,
        "SLOTS": places,
        "SLOT_SIZE": settings.input_bytes + _CONTENT_HEAD if places else 0,
        "GRANULE": granule(settings),
        "MAX_PAYLOAD": max(settings.input_bytes + _CONTENT_HEAD, 1024),
    }
    lines = _defines(strings, numbers)
    return _header("CONFIG_H", ['#include "board_config.h"', "", *lines], "the board and the model")


def board_config_h(board: Board) -> str:
    """Return board_config.h: what is the same for all models on a board."""
    console = board.console
    numbers = {
        "CORE_HZ": board.clock.core_hz,
        "UART_BASE": console.base,
        "UART_IRQ": console.irq,
        "UART_CLOCK_HZ": console.clock_hz,
        "UART_BAUD": console.baud,
    }
    lines = _defines({"BOARD": board.name}, numbers)
    lines.append(f"#define CONFIG_CACHES {int(board.core.cpu in _CACHED)}")
    lines.append(f"#define CONFIG_VTOR {int(board.core.cpu is not Cpu.CORTEX_M0)}")
    # each ends with a comma: the table's end follows
    table = [f"    {_step(step)}," for step in board.startup.steps]
    lines.append(" \\\n".join(["#define CONFIG_STARTUP_STEPS", *table]))
    return _header("BOARD_CONFIG_H", lines, "the board file")


def _defines(strings: Mapping[str, str], numbers: Mapping[str, int]) -> list[str]:
    for key, text in strings.items():
        assert re.fullmatch(r"[A-Za-z0-9_]*", text), key
    lines = [f'#define CONFIG_{key} "{text}"' for key, text in strings.items()]
    return lines + [f"#define CONFIG_{key} {value}u" for key, value in numbers.items()]


def _header(guard: str, lines: Sequence[str], source: str) -> str:
    head = [f"/* Generated by nnom-hil from {source}. Do not edit. */", f"#ifndef {guard}"]
    return "\n".join([*head, f"#define {guard}", "", *lines, "", "#endif", ""])


def _step(step: Step) -> str:
    """Return {wait, address, mask, value} of platform/board.c."""
    bits, value = step.bits or 0, step.value
    if step.write is not None:
        address, mask, value = step.write, _WORD, value or 0
    elif step.set is not None:
        address, mask, value = step.set, bits, bits
    elif step.clear is not None:
        address, mask, value = step.clear, bits, 0
    elif step.modify is not None:
        address, mask, value = step.modify, bits, value or 0
    else:
        assert step.wait is not None
        address, mask, value = step.wait, bits, bits if value is None else value
    wait = int(step.wait is not None)
    return f"{{{wait}, 0x{address:08X}u, 0x{mask:08X}u, 0x{value:08X}u}}"


def stack_bytes(board: Board) -> int:
    """Return the bytes of RAM that the stack has to itself."""
    return min(_STACK_BYTES, board.memory.ram.length // 4)


def linker_script(template: str, board: Board) -> str:
    """Return link.ld: the template with the board's memories."""
    memory = board.memory
    return Template(template).substitute(
        flash_origin=f"0x{memory.flash.origin:08X}",
        flash_length=f"0x{memory.flash.length:X}",
        ram_origin=f"0x{memory.ram.origin:08X}",
        ram_length=f"0x{memory.ram.length:X}",
        stack_size=str(stack_bytes(board)),
        heap_min=str(_HEAP_MIN_BYTES),
    )
