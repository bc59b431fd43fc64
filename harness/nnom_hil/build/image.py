"""Builds one firmware image, or finds it in the cache; a model is just one more source file.

The NNoM library is the same for all boards with one core and all models; it is built once.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from nnom_hil.boards import Board, Cpu
from nnom_hil.cache import Entry, Kept, UnfitError, obtain, work_folder
from nnom_hil.codegen.firmware import (
    FirmwareSettings,
    config_h,
    cpu_flags,
    library_switches,
    linker_script,
)
from nnom_hil.deadline import Deadline
from nnom_hil.errors import (
    BoardError,
    BuildError,
    HilEnvironmentError,
    StoreError,
    ToolError,
    UsageError,
)
from nnom_hil.files import digest, write_whole
from nnom_hil.paths import firmware_dir
from nnom_hil.tool import find_tool, run_tool, tool_version

__all__ = [
    "Image",
    "SectionSizes",
    "build_image",
    "check_drivers",
    "drivers",
    "nnom_tree",
    "tree_digest",
]

_SCHEMA = "nnom-hil/image/2"
_BUILD_TIMEOUT_S = 300.0
_ELF = "firmware.elf"
_LIBRARY = "libnnom.a"
# what the library is made of beside NNoM's own tree
_LIBRARY_RECIPE = (
    "flags.cmake", "arm-none-eabi.cmake", "library/CMakeLists.txt", "platform/nnom_config.h",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSizes:
    """Bytes of the image. flash: code, constants, initial data. static_ram: .data and .bss."""

    flash: int
    static_ram: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A built firmware. id: hash of everything that went into it; the target tells it in HELLO.

    unkept: why it could not be kept for other runs, where the disk is full.
    """

    id: str
    elf: Path
    sizes: SectionSizes
    compiler: str
    cached: bool
    unkept: StoreError | None = None


def build_image(
    board: Board, weights_h: str, settings: FirmwareSettings, *, nnom: Path | None = None
) -> Image:
    """Return the firmware for a board and a generated header.

    nnom: an NNoM tree (inc, src, port) to build on instead of the one that comes with us.
    Raises ToolError when a program is missing, BoardError when the board names a driver that does
    not exist, UsageError for a folder that is no NNoM tree, BuildError when the firmware does not
    compile or does not fit, and StoreError where there is no space to build it in.
    """
    sources = firmware_dir()
    if nnom is not None:
        nnom = nnom_tree(nnom)
    program = _compiler(board)
    check_drivers(board)
    compiler = tool_version(program)
    template = (sources / "platform" / "link.ld.in").read_text()
    generated = {
        "weights.h": weights_h,
        "config.h": config_h(board, settings, image_id=""),
        "link.ld": linker_script(template, board),
    }
    parts = [part for item in sorted(generated.items()) for part in item]
    trees = [tree_digest(tree) for tree in (sources, nnom) if tree is not None]
    compat = str(int(settings.compat))
    switches = ";".join(library_switches(settings))
    chosen = (cpu_flags(board), board.console.driver, board.time.driver, compat, switches)
    image_id = digest(_SCHEMA, compiler, *chosen, *trees, *parts)
    generated["config.h"] = config_h(board, settings, image_id=image_id)
    common: list[str | Path] = [
        "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find_tool('ninja')}",
        f"-DCPU_FLAGS={cpu_flags(board)}", f"-DCOMPAT={compat}",
        f"-DSWITCHES={switches}",
        f"-DCMAKE_C_COMPILER={program}" if _is_native(board)
        else f"-DCMAKE_TOOLCHAIN_FILE={sources / 'arm-none-eabi.cmake'}",
    ]  # fmt: skip
    library_id = digest(
        _SCHEMA, compiler, cpu_flags(board), compat, switches,
        tree_digest(nnom or sources / "nnom"),
        *((sources / name).read_bytes() for name in _LIBRARY_RECIPE),
    )  # fmt: skip
    library = Entry(kind="libraries", key=library_id)

    def make() -> dict[str, bytes]:
        made = _library(library, board, common, nnom)
        settled = [*common, f"-DNNOM_DIR={nnom or sources / 'nnom'}"]
        return _build(board, generated, made, {"id": image_id, "compiler": compiler}, settled)

    if library.path.exists():  # one that is damaged is found now, not when it is needed
        _library(library, board, common, nnom)
    return obtain(Entry(kind="images", key=image_id, programs=(_ELF,)), make, _image_of)


def _is_native(board: Board) -> bool:
    return board.core.cpu is Cpu.NATIVE


def _compiler(board: Board) -> str:
    return "cc" if _is_native(board) else "arm-none-eabi-gcc"


def nnom_tree(folder: Path) -> Path:
    """Return the absolute folder of an NNoM tree; raises UsageError naming what it lacks."""
    for part in ("inc/nnom.h", "port/nnom_port.h", "src"):
        if not (folder / part).exists():
            raise UsageError(f"{folder}: not an NNoM tree: it has no {part}")
    return folder.resolve()


def drivers(kind: str) -> list[str]:
    """Return the names of the firmware's drivers: kind is uart or time."""
    return sorted(p.stem for p in (firmware_dir() / "platform" / kind).glob("*.c"))


def check_drivers(board: Board) -> None:
    """Raise BoardError where the firmware has no driver of the name that the board gives."""
    if _is_native(board):
        return
    for kind, table, driver in (
        ("uart", "console", board.console.driver),
        ("time", "time", board.time.driver),
    ):
        if driver not in (known := drivers(kind)):
            raise BoardError(
                f"board {board.name}: driver = {driver!r} in [{table}]: no such driver; "
                f"known: {', '.join(known)}"
            )


def tree_digest(sources: Path) -> str:
    """Return a hash of all files of a folder, names included."""
    files = sorted(p for p in sources.rglob("*") if p.is_file())
    return digest(
        *(part for p in files for part in (p.relative_to(sources).as_posix(), p.read_bytes()))
    )


def _image_of(kept: Kept) -> Image:
    assert kept.folder is not None  # of this kind
    kept.file(_ELF)
    try:
        facts = json.loads(kept.file("image.json"))
        return Image(
            id=facts["id"],
            elf=kept.folder / _ELF,
            sizes=SectionSizes(**facts["sizes"]),
            compiler=facts["compiler"],
            cached=not kept.made,
            unkept=kept.unkept,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise UnfitError(f"{type(exc).__name__}: {exc}") from exc


def _build(
    board: Board,
    generated: dict[str, str],
    library: bytes,
    names: dict[str, str],
    settled: list[str | Path],
) -> dict[str, bytes]:
    """Return the files of an image; names: its id, and its compiler's version."""
    with work_folder() as work:
        write_whole(work / _LIBRARY, library)
        for name, text in generated.items():
            write_whole(work / "generated" / name, text)
        _compile(work, board, settled)
        facts = {**names, "sizes": asdict(_sizes(work / "build" / _ELF))}
        files = {name: (work / "build" / name).read_bytes() for name in (_ELF, "firmware.map")}
    files |= {f"generated/{name}": text.encode() for name, text in generated.items()}
    files["image.json"] = (json.dumps(facts, sort_keys=True, indent=2) + "\n").encode()
    return files


def _library(entry: Entry, board: Board, common: list[str | Path], nnom: Path | None) -> bytes:
    """Return the NNoM library for a board's core, built once."""

    def make() -> dict[str, bytes]:
        options = common if nnom is None else [*common, f"-DNNOM_DIR={nnom}"]
        with work_folder() as work:
            _cmake(firmware_dir() / "library", work, options, board)
            return {_LIBRARY: (work / _LIBRARY).read_bytes()}

    return obtain(entry, make, lambda kept: kept.file(_LIBRARY))


def _compile(work: Path, board: Board, settled: list[str | Path]) -> None:
    options = [
        *settled, f"-DNNOM_LIBRARY={work / _LIBRARY}", f"-DGENERATED_DIR={work / 'generated'}"
    ]  # fmt: skip
    if _is_native(board):
        options.append("-DPLATFORM=posix")
    else:
        options += [
            "-DPLATFORM=cortex_m",
            f"-DUART_DRIVER={board.console.driver}",
            f"-DTIME_DRIVER={board.time.driver}",
        ]
    _cmake(firmware_dir(), work / "build", options, board)


def _cmake(source: Path, build: Path, options: list[str | Path], board: Board) -> None:
    deadline = Deadline.after(_BUILD_TIMEOUT_S)
    try:
        run_tool(["cmake", "-S", source, "-B", build, *options], deadline=deadline)
        run_tool(["cmake", "--build", build], deadline=deadline)
    except ToolError as exc:
        raise _explain(exc, board) from exc


def _explain(error: ToolError, board: Board) -> HilEnvironmentError:
    """Return what the failure means for the user."""
    memory = board.memory
    if "program not found" in str(error):
        return error
    if "No space left on device" in error.output or "Disk quota exceeded" in error.output:
        return StoreError(
            "no space is left to build the firmware in; free space, or name a folder that has "
            "some: NNOM_HIL_CACHE"
        )
    if overflow := re.search(r"region `(\w++)' overflowed by (\d{1,15}+) bytes", error.output):
        region = memory.flash if overflow[1] == "FLASH" else memory.ram
        over = int(overflow[2])
        return BuildError(
            f"the model does not fit board {board.name}: {overflow[1].lower()} needs "
            f"{region.length + over} bytes, the board has {region.length}; "
            "use a smaller model or a board with more memory",
            output=error.output,
        )
    if "RAM overflowed" in error.output:
        return BuildError(
            f"the model does not fit board {board.name}: no room is left for the heap in "
            f"{memory.ram.length} bytes of ram; use a smaller model or a board with more memory",
            output=error.output,
        )
    tail = "\n".join(error.output.strip().splitlines()[-20:])
    return BuildError(f"the firmware does not compile: {error}\n{tail}", output=error.output)


def _sizes(elf: Path) -> SectionSizes:
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        sections = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & 2]  # SHF_ALLOC
        flash = sum(s["sh_size"] for s in sections if s["sh_type"] != "SHT_NOBITS")
        ram = sum(s["sh_size"] for s in sections if s["sh_flags"] & 1)  # SHF_WRITE
    return SectionSizes(flash=flash, static_ram=ram)
