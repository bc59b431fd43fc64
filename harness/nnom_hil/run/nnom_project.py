"""An existing NNoM project, found out from its files: program, weights.h, port, what it opens."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nnom_hil.build.guest import GuestSources
from nnom_hil.errors import UsageError
from nnom_hil.files import read_regular

__all__ = ["NnomProject", "find_project"]

_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 64 << 20
_SKIPPED: Final = {"build", "CMakeFiles", "node_modules", "__pycache__", "site-packages"}
# what a board needs that we bring: start-up code, system calls, the vendor's drivers
_OF_A_BOARD: Final = ("startup_", "system_", "sysc", "sysmem", "cmsis_", "core_cm", "stm32")
_VENDOR: Final = "stm32"
_INCLUDE: Final = re.compile(
    r'^[ \t]*+#[ \t]*+include[ \t]*+[<"]([^">\n]{1,255}+)[">]', re.MULTILINE
)
_LITERAL: Final = re.compile(r'"([\w./ -]{1,200}+)"')
_MAIN: Final = re.compile(r"^[ \t]*+(int|void|signed)[ \t]++main[ \t]*+\(", re.MULTILINE)
_EXPORT: Final = re.compile(r"\b(?:MSH_CMD|FINSH_FUNCTION)_EXPORT(?:_ALIAS[ \t]*+\(|[ \t]*+\()")
_CREATE: Final = re.compile(r"\bnnom_model_create[ \t]*+\([void \t]*+\)[ \t\r\n]*+\{")
_CONVOLUTION: Final = re.compile(r"\b(?:DW_Conv2D|Conv2D)[ \t]*+\(")
_GENERATES: Final = re.compile(r"\bgenerate_model[ \t]*+\(")
_MODELS: Final = {".keras", ".h5", ".hdf5", ".onnx", ".tflite"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NnomProject:
    """What was found in a folder. guest: what is built of it. models: files that weights.h may have
    been made of. old_header: whether it is of a converter before NNoM 0.4.
    """

    folder: Path
    guest: GuestSources
    models: tuple[Path, ...]
    old_header: bool

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield what was found, for a reader: what it is, and where."""
        guest = self.guest
        yield "program", ", ".join(map(self._shown, guest.sources))
        before = " (from before NNoM 0.4)" if self.old_header else ""
        yield "network", self._shown(guest.header) + before
        yield "port", self._shown(guest.port / "nnom_port.h") if guest.port else "ours"
        if guest.files:
            yield "files", ", ".join(name for name, _ in guest.files)
        if guest.script:
            yield "shell", "; ".join(guest.script)

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path)


def find_project(
    folder: Path,
    *,
    header: Path | None = None,
    sources: Sequence[Path] = (),
    includes: Sequence[Path] = (),
    defines: Sequence[str] = (),
    script: Sequence[str] = (),
) -> NnomProject:
    """Find an NNoM project's files in a folder.

    header, sources, includes: what cannot be found, or is to be another, or more. defines: macros.
    script: lines for its shell. Raises UsageError, saying what is missing or which of several to
    name.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name the one that has main.c and weights.h")
    files = _files(folder)
    texts = {path: _text(path) for path in files if path.suffix in {".c", ".h"}}
    texts = {path: text for path, text in texts.items() if not _is_nnoms(path, files)}
    more = [path.resolve() for path in sources]
    headers = [header.resolve()] if header is not None else _headers(texts)
    if not headers:
        raise UsageError(f"{folder}: {_no_header(folder, files)}")
    main, chosen = _main_and_header(folder, texts, headers, more)
    own = tuple(dict.fromkeys((main, *_beside(main, chosen, texts), *more)))
    folders = {path.parent for path in texts if path.suffix == ".h" and path.name != "nnom_port.h"}
    ordered = [chosen.parent, main.parent, *(p.resolve() for p in includes), *sorted(folders)]
    old = _is_old(texts.get(chosen) or _text(chosen))
    void = (found := _MAIN.search(texts[main])) is not None and found[1] == "void"
    macros = {"NNOM_HIL=1": True, "NNOM_API_BEFORE_04": old, "GUEST_RETURNS_NOTHING": void}
    return NnomProject(
        folder=folder,
        guest=GuestSources(
            sources=own,
            includes=tuple(dict.fromkeys(ordered)),
            header=chosen,
            port=_port(folder, files),
            defines=(*(name for name, wanted in macros.items() if wanted), *defines),
            script=tuple(script),
            stubs=tuple(sorted(_missing_of_a_vendor(texts))),
            files=tuple(_opened(folder, main, (texts.get(p) or _text(p) for p in own))),
        ),
        models=tuple(sorted(path for path in files if path.suffix in _MODELS)),
        old_header=old,
    )


def _headers(texts: Mapping[Path, str]) -> list[Path]:
    return [path for path, text in texts.items() if path.suffix == ".h" and _CREATE.search(text)]


def _beside(main: Path, header: Path, texts: Mapping[Path, str]) -> list[Path]:
    """Return the sources of the program's folder that belong to it: no other program, and nothing
    of what a board needs.
    """
    return sorted(
        path
        for path, text in texts.items()
        if path.suffix == ".c" and path.parent == main.parent and path != main
        and not path.name.lower().startswith(_OF_A_BOARD) and not _MAIN.search(text)
        and header.name not in _INCLUDE.findall(text)
    )  # fmt: skip


def _files(folder: Path) -> list[Path]:
    result: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in _SKIPPED and not name.startswith((".", "venv"))
        )
        result += [Path(place, name) for name in sorted(names)]
        if len(result) > _MOST_FILES:
            raise UsageError(
                f"{folder}: more than {_MOST_FILES} files; name the NNoM project's folder alone"
            )
    return result


def _text(path: Path) -> str:
    try:
        return read_regular(path, _MOST_BYTES).decode("utf-8", errors="replace")
    except OSError as exc:
        raise UsageError(f"{path}: cannot read it: {exc.strerror}") from exc


def _is_nnoms(path: Path, files: Sequence[Path]) -> bool:
    """Whether a file is of a copy of NNoM, in whose place our library is."""
    known = set(files)
    return any(
        place / "inc" / "nnom.h" in known and path.is_relative_to(place / part)
        for place in path.parents
        for part in ("inc", "src", "port", "examples")
    )


def _no_header(folder: Path, files: Sequence[Path]) -> str:
    """Say that no header was found, and what may make one."""
    scripts = [p for p in files if p.suffix == ".py" and _GENERATES.search(_text(p))]
    by = f"{scripts[0].relative_to(folder)} writes one: run it first" if scripts else (
        "name it with --header, or convert a model: nnom-hil convert MODEL -o weights.h"
    )  # fmt: skip
    return f"no header in it has nnom_model_create(), as NNoM's converter writes it; {by}"


def _main_and_header(
    folder: Path, texts: dict[Path, str], headers: Sequence[Path], named: Sequence[Path]
) -> tuple[Path, Path]:
    """Return the source that includes a network's header, and that header.

    named: sources of which one may be the program that is meant.
    """
    pairs = [
        (path, candidate)
        for path, text in texts.items()
        if path.suffix == ".c"
        for candidate in headers
        if candidate.name in {name.rpartition("/")[2] for name in _INCLUDE.findall(text)}
    ]
    # the nearest header of several of one name
    pairs.sort(key=lambda pair: (pair[0].parent != pair[1].parent, str(pair[0])))
    nearest = dict(reversed(pairs))
    programs = [p for p in nearest if _MAIN.search(texts[p]) or _EXPORT.search(texts[p])]
    if not programs:
        raise UsageError(
            f"{folder}: no source in it includes {headers[0].name} and has main() or exports a "
            "command to RT-Thread's shell; name the folder that has main.c too"
        )
    for meant in (named, [p for p in programs if p.name == "main.c"]):
        if len(both := [p for p in programs if p in meant]) == 1:
            programs = both
    if len(programs) > 1:
        names = ", ".join(str(p.relative_to(folder)) for p in sorted(programs))
        raise UsageError(
            f"{folder}: several programs: {names}; name one with --source, or the folder of one"
        )
    return programs[0], nearest[programs[0]]


def _port(folder: Path, files: Sequence[Path]) -> Path | None:
    """Return the folder of its nnom_port.h: the project's own before a copy of NNoM's."""
    ports = [path for path in files if path.name == "nnom_port.h"]
    own = [path for path in ports if not _is_nnoms(path, files)] or ports
    if len(own) > 1:
        names = ", ".join(str(p.relative_to(folder)) for p in own)
        raise UsageError(f"{folder}: several ports: {names}; name the folder of one project")
    return own[0].parent if own else None


def _is_old(header: str) -> bool:
    """Whether a header calls convolutions as before NNoM 0.4.0, without a dilation."""
    calls = list(_CONVOLUTION.finditer(header))
    return bool(calls) and not any("dilation(" in header[c.end() : c.end() + 200] for c in calls)


def _missing_of_a_vendor(texts: Mapping[Path, str]) -> set[str]:
    """Return the headers of a vendor's that the project includes and has not."""
    included = {name for text in texts.values() for name in _INCLUDE.findall(text)}
    named = {n for n in included if n.lower().startswith(_VENDOR) and n.endswith(".h")}
    return named - {path.name for path in texts}


def _opened(folder: Path, main: Path, texts: Iterator[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files that string literals name, and that are there."""
    names = dict.fromkeys(name for text in texts for name in _LITERAL.findall(text))
    sourced = {".c", ".h"}
    for name in names:
        for place in (main.parent, folder):
            if not Path(name).suffix:
                break
            path = (place / name).resolve()
            inside = path.is_relative_to(folder) and path.suffix not in sourced
            if inside and path.is_file():
                yield name.removeprefix("./"), path
                break
    yield from _sent(main, folder, set(names))


def _sent(main: Path, folder: Path, named: set[str]) -> Iterator[tuple[str, Path]]:
    """Yield test_data.bin, which may come over a line instead of being named."""
    for place in dict.fromkeys((main.parent, folder)):
        if (place / "test_data.bin").is_file() and not named & {"test_data.bin", "./test_data.bin"}:
            yield "test_data.bin", place / "test_data.bin"
            return
