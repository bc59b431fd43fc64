"""Quantised graphs run by the C library on an emulated core: every layer's output as a CRC-32."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnom_hil.boards import Board, find_board
from nnom_hil.codegen.firmware import (
    FirmwareSettings,
    board_config_h,
    config_h,
    cpu_flags,
    linker_script,
)
from nnom_hil.model.qgraph import Int8, QGraph
from nnom_hil.tool import find_tool
from tests.support.native import NNOM, ROOT, describe, library_sources, object_of

BOARDS = Path(__file__).parents[1] / "data" / "boards"
FIRMWARE = ROOT / "firmware"
_TIMEOUT_S = 240.0
_SCRIPT_S = """
    .section .script, "a"
    .global script_start, script_end
script_start:
    .incbin "{path}"
script_end:
"""


@dataclass(frozen=True)
class EmulatedRun:
    """compile_status as NNoM returned it; crc32 of each layer's output, one a run, by name."""

    compile_status: int
    crc32: dict[str, list[int]]


class EmulatedProgram:
    """A C program with the whole library, as firmware of one board that QEMU runs."""

    def __init__(
        self,
        board: str,
        folder: Path,
        main: Path,
        *flags: str,
        compat: bool = False,
        sources: Path = NNOM / "src",
        more: Sequence[Path] = (),
    ) -> None:
        self.board = find_board(board, BOARDS)
        self.folder = folder
        self.flags: list[str | Path] = [
            *cpu_flags(self.board).split(),
            *("-std=gnu11", "-O2", "-ffunction-sections", "-fdata-sections"),
            *(f"-I{d}" for d in (folder, FIRMWARE, NNOM / "inc", NNOM / "port")),
            f"-DNNOM_COMPAT_043={int(compat)}",
            f"-DCONFIG_COMPAT_043={int(compat)}",
            "-DNNOM_LOG(...)=((void)0)",
            *flags,
        ]
        settings = FirmwareSettings(input_bytes=64, model_hash="0", compat=compat)
        (folder / "config.h").write_text(config_h(self.board, settings, image_id="0"))
        (folder / "board_config.h").write_text(board_config_h(self.board))
        (folder / "link.ld").write_text(_with_script_region(self.board))
        self._objects = self._compile(main, [*library_sources(sources), *more])

    def _compile(self, main: Path, library: list[Path]) -> list[Path]:
        platform = FIRMWARE / "platform"
        sources = [*library, *platform.glob("*.c"), main]
        sources += [platform / "uart" / f"{self.board.console.driver}.c"]
        sources += [platform / "time" / f"{self.board.time.driver}.c"]
        sources += [
            FIRMWARE / "agent" / f"{name}.c" for name in ("agent", "tensors", "vectors", "frame")
        ]
        command = [str(find_tool("arm-none-eabi-gcc")), *map(str, self.flags)]
        return [Path(object_of(command, source)) for source in sources]

    def run(self, *more: Path) -> str:
        """Link it with more sources, run it, and return what it printed, up to "finished"."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            elf = Path(name) / "program.elf"
            subprocess.run(
                [
                    find_tool("arm-none-eabi-gcc"), *self.flags, *self._objects, *more,
                    "--specs=nano.specs", "-nostartfiles", f"-T{self.folder / 'link.ld'}",
                    "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", "-o", elf,
                ],
                check=True,
            )  # fmt: skip
            return _console_of(self.board, elf, Path(name) / "console.txt")


class EmulatedRunner:
    """tests/native/graph_runner.c as firmware of one board; each batch is linked into an image."""

    def __init__(self, board: str, folder: Path, *, compat: bool) -> None:
        main = ROOT / "tests" / "native" / "graph_runner.c"
        self._program = EmulatedProgram(board, folder, main, "-DGRAPH_RUNNER_TARGET", compat=compat)

    def run(self, graphs: list[tuple[QGraph, Int8]]) -> list[EmulatedRun]:
        """Run all graphs, in as many images as their descriptions need."""
        scripts = [describe(graph, x) for graph, x in graphs]
        limit = self._program.board.memory.ram.length // 2 - 1024
        results: list[EmulatedRun] = []
        for batch in _batches([len(s) for s in scripts], limit):
            text = self._execute("".join(scripts[batch.start : batch.stop]))
            parts = text.split("done\n")[:-1]
            assert len(parts) == len(batch), text[-500:]
            results += [
                _parse(graph, part)
                for (graph, _), part in zip(graphs[batch.start : batch.stop], parts, strict=True)
            ]
        return results

    def _execute(self, script: str) -> str:
        with tempfile.TemporaryDirectory(dir=self._program.folder) as name:
            folder = Path(name)
            (folder / "script.txt").write_text(script)
            (folder / "script.S").write_text(_SCRIPT_S.format(path=folder / "script.txt"))
            return self._program.run(folder / "script.S")


def _with_script_region(board: Board) -> str:
    """Return the linker script with the upper half of the RAM holding the graphs."""
    ram = board.memory.ram
    half = ram.length // 2
    small = board.model_copy(
        update={
            "memory": board.memory.model_copy(
                update={"ram": ram.model_copy(update={"length": half})}
            )
        }
    )
    text = linker_script((FIRMWARE / "platform" / "link.ld.in").read_text(), small)
    region = f"    SCRIPT (r) : ORIGIN = {ram.origin + half:#x}, LENGTH = {half:#x}\n}}"
    text = text.replace("}", region, 1)
    text = text.replace("    bss PT_LOAD", "    script PT_LOAD FLAGS(4);\n    bss PT_LOAD", 1)
    section = "    .script : { KEEP(*(.script)) } > SCRIPT :script\n    .text :"
    return text.replace("    .text :", section, 1)


def _batches(sizes: list[int], limit: int) -> Iterator[range]:
    start, total = 0, 0
    for i, size in enumerate(sizes):
        if total + size > limit:
            yield range(start, i)
            start, total = i, 0
        total += size
    yield range(start, len(sizes))


def _console_of(board: Board, elf: Path, log: Path) -> str:
    """Return what the image prints up to its last word."""
    assert board.backend.qemu is not None
    argv: list[str | Path] = [
        find_tool("qemu-system-arm"), "-machine", board.backend.qemu.machine, "-nodefaults",
        "-display", "none", "-monitor", "none", "-serial", f"file:{log}", "-kernel", elf,
    ]  # fmt: skip
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < until and process.poll() is None:
            text = log.read_text(errors="replace") if log.exists() else ""
            if text.endswith("finished\n"):
                return text
            assert "FAULT" not in text, text[-500:]
            time.sleep(0.05)
        raise AssertionError(f"{board.name}: the runner did not finish: {text[-500:]}")
    finally:
        process.kill()
        process.wait()


def _parse(graph: QGraph, text: str) -> EmulatedRun:
    names = [node.name for node in graph.nodes]
    status, crc32 = 1, dict[str, list[int]]()
    for line in text.splitlines():
        words = line.split()
        if words[0] == "compiled":
            status = int(words[1])
        elif words[0] == "crc":
            crc32.setdefault(names[int(words[1])], []).append(int(words[2]))
    return EmulatedRun(compile_status=status, crc32=crc32)
