"""Builds one firmware image, or finds it in the cache; a model is just one more source file.

The NNoM library is the same for all boards with one core and all models; it is built once.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from nnom_hil.boards import Board, Cpu
from nnom_hil.build.contents import SectionSizes, compiler_flags, contents_of
from nnom_hil.build.library import CmsisNn, Library, Optimise, cmsis_nn_tree, nnom_tree
from nnom_hil.cache import Entry, Kept, UnfitError, obtain, work_folder
from nnom_hil.codegen.firmware import (
    FirmwareSettings,
    board_config_h,
    config_h,
    cpu_flags,
    library_switches,
    linker_script,
)
from nnom_hil.codegen.mlperf import mlperf_config_h
from nnom_hil.deadline import Deadline
from nnom_hil.errors import (
    BoardError,
    BuildError,
    HilEnvironmentError,
    StoreError,
    ToolError,
    UsageError,
)
from nnom_hil.files import digest, make_folder, remove_tree, write_whole
from nnom_hil.locks import FileLock
from nnom_hil.paths import firmware_dir
from nnom_hil.records import SymbolSize
from nnom_hil.tool import find_tool, run_tool, tool_version

__all__ = [
    "Image",
    "Program",
    "Recipe",
    "build_image",
    "build_program",
    "check_drivers",
    "drivers",
    "joining_trees",
    "kept_image",
    "run_cmake",
    "sharing_trees",
    "tree_digest",
    "write_new",
]

_SCHEMA = "nnom-hil/image/3"
_BUILD_TIMEOUT_S = 300.0
_ELF = "firmware.elf"
_NO_MODEL = "0"  # the hash in programs without one
_LIBRARY = "libnnom.a"
_TREES: ContextVar[Path | None] = ContextVar("trees", default=None)
# what the library is made of beside NNoM's own tree
_LIBRARY_RECIPE = (
    "flags.cmake", "arm-none-eabi.cmake", "library/CMakeLists.txt", "platform/nnom_config.h",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A built firmware. id: hash of everything that went into it; the target tells it in HELLO.

    flags: of the compiler, without folders. sections: bytes of those that take room on the target.
    symbols: the largest, largest first. unkept: why it could not be kept for other runs, where the
    disk is full.
    """

    id: str
    elf: Path
    sizes: SectionSizes
    compiler: str
    flags: tuple[str, ...]
    sections: dict[str, int]
    symbols: tuple[SymbolSize, ...]
    cached: bool
    unkept: StoreError | None = None


def build_image(
    board: Board, weights_h: str, settings: FirmwareSettings, library: Library | None = None
) -> Image:
    """Return the firmware for a board and a generated header.

    library: None is the one that comes with us, with the best kernels that the core has.
    Raises ToolError when a program is missing, BoardError when the board names a driver that does
    not exist, UsageError for a folder that is no NNoM tree, BuildError when the firmware does not
    compile or does not fit, and StoreError where there is no space to build it in.
    """
    recipe = Recipe.of(board, settings, library or Library())
    image_id = recipe.digest("weights.h", weights_h)
    generated = {"weights.h": weights_h, **recipe.generated(image_id)}

    def make() -> dict[str, bytes]:
        names = {"id": image_id, "compiler": recipe.compiler}
        return _build(recipe, generated, names)

    recipe.check_kept()  # a damaged library is found now, not when it is needed
    return obtain(_entry(image_id), make, _image_of)


def kept_image(image_id: str) -> Image:
    """Return what build_image() has built, from the cache alone; raises StoreError."""
    entry = _entry(image_id)
    return obtain(entry, entry.must_be_kept, _image_of)


def _entry(image_id: str) -> Entry:
    return Entry(kind="images", key=image_id, programs=(_ELF,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program without a model. text: code and constants of each of the library's files, bytes."""

    elf: Path
    compiler: str
    text: dict[str, int]


def build_program(
    board: Board, main: str, library: Library | None = None, define: str = ""
) -> Program:
    """Return a program of the firmware's folder for a board; raises as build_image does.

    main: its source. define: a macro to define in it.
    """
    settings = FirmwareSettings(input_bytes=64, model_hash=_NO_MODEL)
    recipe = Recipe.of(board, settings, library or Library(), what=main)
    key = recipe.digest(main, define)

    def make() -> dict[str, bytes]:
        with work_folder() as work:
            built = recipe.compile(
                work, recipe.generated(""), f"-DMAIN={main}", f"-DDEFINE={define}"
            )
            deadline = Deadline.after(_BUILD_TIMEOUT_S)
            listed = run_tool(["arm-none-eabi-size", work / _LIBRARY], deadline=deadline)
            facts = {"compiler": recipe.compiler, "text": _text_sizes(listed)}
            document = json.dumps(facts, sort_keys=True, indent=2) + "\n"
            return {_ELF: (built / _ELF).read_bytes(), "program.json": document.encode()}

    recipe.check_kept()
    return obtain(Entry(kind="programs", key=key, programs=(_ELF,)), make, _program_of)


def _program_of(kept: Kept) -> Program:
    assert kept.folder is not None  # of this kind
    kept.file(_ELF)
    try:
        return Program(elf=kept.folder / _ELF, **json.loads(kept.file("program.json")))
    except (TypeError, ValueError) as exc:
        raise UnfitError(f"{type(exc).__name__}: {exc}") from exc


def _text_sizes(listed: str) -> dict[str, int]:
    """Return the first column of what `size` says of an archive's members, by file name."""
    rows = [line.split() for line in listed.splitlines()[1:]]  # text ... name.c.obj (ex archive)
    return {row[5].partition(".")[0]: int(row[0]) for row in rows if len(row) > 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How firmware is made for a board: its library, once for all models, and what is linked to it.

    compiler: its version. nnom: the tree that the library is built from. what: what a message that
    it does not fit is about.
    """

    board: Board
    settings: FirmwareSettings
    compiler: str
    nnom: Path
    switches: str
    program: str
    optimise: Optimise
    what: str
    cmsis_nn: CmsisNn | None = None

    @classmethod
    def of(
        cls, board: Board, settings: FirmwareSettings, library: Library, what: str = "the model"
    ) -> Self:
        """Raises ToolError, BoardError and UsageError as build_image does."""
        nnom = firmware_dir() / "nnom" if library.nnom is None else nnom_tree(library.nnom)
        program = library.compiler or ("cc" if _is_native(board) else "arm-none-eabi-gcc")
        check_drivers(board)
        if library.cmsis_nn is not None and _is_native(board):
            raise UsageError(
                f"--cmsis-nn: board {board.name} is a process of this machine, and CMSIS-NN is for "
                "Cortex-M; name another board, or leave it out"
            )
        return cls(
            board=board,
            settings=settings,
            compiler=tool_version(program),
            nnom=nnom,
            switches=";".join([*library_switches(settings), *library.switches]),
            program=program,
            optimise=library.optimise,
            what=what,
            cmsis_nn=None if library.cmsis_nn is None else cmsis_nn_tree(library.cmsis_nn),
        )

    def generated(self, image_id: str) -> dict[str, str]:
        """Return the headers about board and model, and link.ld."""
        template = (firmware_dir() / "platform" / "link.ld.in").read_text()
        texts = {
            "board_config.h": board_config_h(self.board),
            "config.h": config_h(self.board, self.settings, image_id=image_id),
            "link.ld": linker_script(template, self.board),
        }
        if self.settings.mlperf is not None:
            texts["mlperf_config.h"] = mlperf_config_h(self.settings.mlperf)
        return texts

    def digest(self, *parts: str) -> str:
        """Return a hash of all that goes into an image beside these parts."""
        generated = [part for item in self.generated("").items() for part in item]
        drivers_ = (self.board.console.driver, self.board.time.driver)
        trees = [tree_digest(firmware_dir()), *self._theirs]
        if not self.nnom.is_relative_to(firmware_dir()):
            trees.append(tree_digest(self.nnom))
        return digest(_SCHEMA, *self._chosen, *drivers_, *trees, *generated, *parts)

    @property
    def _theirs(self) -> tuple[str, ...]:
        return () if self.cmsis_nn is None else (tree_digest(self.cmsis_nn.root / "Source"),)

    @property
    def _chosen(self) -> tuple[str, ...]:
        compat = str(int(self.settings.compat))
        return self.compiler, cpu_flags(self.board), self.optimise.flag, compat, self.switches

    @property
    def options(self) -> list[str | Path]:
        """CMake's options that say how, for whatever is built."""
        cmsis = self.cmsis_nn
        theirs = () if cmsis is None else (
            f"-DCMSIS_NN={cmsis.root}", f"-DCMSIS_INCLUDES={';'.join(map(str, cmsis.includes))}",
        )  # fmt: skip
        return [
            *theirs,
            "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find_tool('ninja')}",
            f"-DCPU_FLAGS={cpu_flags(self.board)}", f"-DOPTIMISE={self.optimise.flag}",
            f"-DCOMPAT={int(self.settings.compat)}",
            f"-DSWITCHES={self.switches}", f"-DNNOM_DIR={self.nnom}",
            f"-DCMAKE_C_COMPILER={find_tool(self.program)}",
            *([] if _is_native(self.board)
            else [f"-DCMAKE_TOOLCHAIN_FILE={firmware_dir() / 'arm-none-eabi.cmake'}"]),
        ]  # fmt: skip

    @property
    def _kept(self) -> Entry:
        recipe = [(firmware_dir() / name).read_bytes() for name in _LIBRARY_RECIPE]
        key = digest(_SCHEMA, *self._chosen, tree_digest(self.nnom), *self._theirs, *recipe)
        return Entry(kind="libraries", key=key)

    def check_kept(self) -> None:
        """Make the library anew if the one that is kept is damaged."""
        if self._kept.path.exists():
            self.library()

    def library(self) -> bytes:
        """Return the NNoM library for the board's core, built once."""

        def make() -> dict[str, bytes]:
            with work_folder() as work:
                run_cmake(firmware_dir() / "library", work, self.options, self)
                return {_LIBRARY: (work / _LIBRARY).read_bytes()}

        return obtain(self._kept, make, lambda kept: kept.file(_LIBRARY))

    def compile(self, work: Path, generated: dict[str, str], *options: str) -> Path:
        """Compile and link in a folder; return the build's own. options: more of CMake's."""
        write_new(work / _LIBRARY, self.library())
        for name, text in generated.items():
            write_new(work / "generated" / name, text.encode())
        settled = [
            *self.options, *options, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
            f"-DNNOM_LIBRARY={work / _LIBRARY}", f"-DGENERATED_DIR={work / 'generated'}",
        ]  # fmt: skip
        if self.settings.mlperf is not None:
            settled.append("-DPROTOCOL=mlperf")
        if _is_native(self.board):
            settled.append("-DPLATFORM=posix")
        else:
            settled += [
                "-DPLATFORM=cortex_m",
                f"-DUART_DRIVER={self.board.console.driver}",
                f"-DTIME_DRIVER={self.board.time.driver}",
            ]
        run_cmake(firmware_dir(), work / "build", settled, self)
        return work / "build"

    @property
    def tree_key(self) -> str:
        """Return what builds have in common that differ by their model alone."""
        mlperf = str(self.settings.mlperf is not None)
        same = (board_config_h(self.board), mlperf, *map(str, self.options))
        return digest(*self._chosen, *same, tree_digest(firmware_dir()), tree_digest(self.nnom))


def _is_native(board: Board) -> bool:
    return board.core.cpu is Cpu.NATIVE


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
            flags=tuple(facts["flags"]),
            sections=facts["sections"],
            symbols=tuple(SymbolSize(**symbol) for symbol in facts["symbols"]),
            cached=not kept.made,
            unkept=kept.unkept,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise UnfitError(f"{type(exc).__name__}: {exc}") from exc


def _build(recipe: Recipe, generated: dict[str, str], names: dict[str, str]) -> dict[str, bytes]:
    """Return the files of an image; names: its id, and its compiler's version."""
    with _folder_for(recipe) as work:
        built = recipe.compile(work, generated)
        held = contents_of(built / _ELF)
        facts = {
            **names,
            "flags": compiler_flags((built / "compile_commands.json").read_text()),
            "sizes": asdict(held.sizes),
            "sections": held.sections,
            "symbols": [symbol.model_dump(mode="json") for symbol in held.symbols],
        }
        files = {name: (built / name).read_bytes() for name in (_ELF, "firmware.map")}
    files |= {f"generated/{name}": text.encode() for name, text in generated.items()}
    files["image.json"] = (json.dumps(facts, sort_keys=True, indent=2) + "\n").encode()
    return files


@contextlib.contextmanager
def sharing_trees() -> Iterator[Path]:
    """Let images that differ by their model alone be built in one folder while this lasts, by this
    process and those that join it: what does not depend on the model is compiled once.

    Such a folder changes, so that it cannot be kept and checked as what is in the cache.
    """
    with work_folder() as folder, joining_trees(folder):
        yield folder


@contextlib.contextmanager
def joining_trees(folder: Path | None) -> Iterator[None]:
    """Let this process build in a folder that another one shares, or in none."""
    token = _TREES.set(folder)
    try:
        yield
    finally:
        _TREES.reset(token)


@contextlib.contextmanager
def _folder_for(recipe: Recipe) -> Iterator[Path]:
    """Give a folder to build in: a shared one that is sound, where no other process has it."""
    trees = _TREES.get()
    lock = None if trees is None else FileLock(trees / f"{recipe.tree_key}.lock")
    if trees is None or lock is None or not lock.acquire():
        with work_folder() as folder:
            yield folder
        return
    tree, sound = trees / recipe.tree_key, trees / f"{recipe.tree_key}.sound"
    try:
        if not sound.exists():  # or its last build was cut off
            remove_tree(tree)
        sound.unlink(missing_ok=True)
        make_folder(tree)
        yield tree
        write_whole(sound, b"")
    finally:
        lock.release()


def write_new(path: Path, data: bytes) -> None:
    """Write a file unless it is so already: what is made of it need not be made again."""
    if not path.exists() or path.read_bytes() != data:
        write_whole(path, data)


def run_cmake(source: Path, build: Path, options: list[str | Path], recipe: Recipe) -> None:
    """Configure and build; raises as build_image does, with what a failure means for the user."""
    deadline = Deadline.after(_BUILD_TIMEOUT_S)
    try:
        if not (build / "build.ninja").exists():
            run_tool(["cmake", "-S", source, "-B", build, *options], deadline=deadline)
        run_tool(["cmake", "--build", build], deadline=deadline)
    except ToolError as exc:
        if (told := _explain(exc, recipe)) is exc:  # its own cause would have no end
            raise
        raise told from exc


def _explain(error: ToolError, recipe: Recipe) -> HilEnvironmentError:
    """Return what the failure means for the user."""
    board, memory = recipe.board, recipe.board.memory
    smaller = "a smaller model or " if recipe.what == "the model" else ""
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
            f"{recipe.what} does not fit board {board.name}: {overflow[1].lower()} needs "
            f"{region.length + over} bytes, the board has {region.length}; "
            f"use {smaller}a board with more memory",
            output=error.output,
        )
    if "RAM overflowed" in error.output:
        return BuildError(
            f"{recipe.what} does not fit board {board.name}: no room is left for the heap in "
            f"{memory.ram.length} bytes of ram; use {smaller}a board with more memory",
            output=error.output,
        )
    tail = "\n".join(error.output.strip().splitlines()[-20:])
    return BuildError(f"the firmware does not compile: {error}\n{tail}", output=error.output)
