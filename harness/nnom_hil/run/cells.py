"""The cells of a matrix, each with checked options and a run's request; nothing runs here."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from nnom_hil.codegen.firmware import cpu_flags
from nnom_hil.errors import HilError, UsageError, did_you_mean
from nnom_hil.matrix import GATE_KEYS, Cell, MatrixFile, Value, cell_key, cell_name, line_of
from nnom_hil.run.options import Option, checked, options_of, request_of
from nnom_hil.run.prepare import preparation_key
from nnom_hil.run.request import RunRequest

__all__ = ["ReadyCell", "ready", "resolved"]

_NOT_HERE: Final = {"resume", "runs", "scheduler"}
"""Options of a run that a matrix gives itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyCell:
    """One cell, ready to run. conversion: what its model's conversion is known by."""

    key: str
    name: str
    options: Cell
    request: RunRequest
    conversion: str

    @property
    def core(self) -> str:
        """Boards with equal ones share a library."""
        return f"{cpu_flags(self.request.board)} {self.request.library}"


def resolved(cell: Cell, file: MatrixFile, path: Path) -> Cell:
    """Return a cell with checked options and the paths that are relative to the file's folder.

    path: of the file, for messages. Raises UsageError by line and key.
    """
    known: dict[str, Option] = {o.name: o for o in options_of("run") if o.name not in _NOT_HERE}
    found: Cell = {}
    for key, value in cell.items():
        where = f"{path}{line_of(path, key)}: {key} = {value!r}"
        if key in GATE_KEYS:
            if not isinstance(value, str):
                raise UsageError(f"{where}: needs a path")
            found[key] = str((path.parent / value).resolve()) if value else ""
            continue
        if key not in known:
            near = did_you_mean(key, [*known, *GATE_KEYS])
            raise UsageError(f"{where}: {key!r} is no option of a run in a matrix{near}")
        found[key] = _checked(known[key], value, path, where)
    return found


def _checked(option: Option, value: Value, path: Path, where: str) -> Value:
    kind = option.kind
    fits = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, (int, float)) and not isinstance(value, bool),
    }.get(kind, isinstance(value, str))
    if not fits:
        needs = {bool: "true or false", int: "a whole number", float: "a number"}
        raise UsageError(f"{where}: needs {needs.get(kind, 'text in quotes')}")
    try:
        option.check(value)
    except UsageError as exc:
        raise UsageError(f"{where}: {exc}") from exc
    is_path = kind is Path or option.name in {"board", "compiler"}
    return _place(str(value), path.parent) if is_path else value


def _place(value: str, folder: Path) -> str:
    """Return a path beside the matrix file, where there is such a one; names stay names."""
    beside = folder / value
    return str(beside.resolve()) if beside.exists() else value


def ready(options: Cell, axes: list[str], runs: Path, where: str) -> ReadyCell:
    """Return a cell with its request; runs: the folder of all runs; where: for messages.

    Raises UsageError and its kinds for a board, a model or data that are not there.
    """
    name = cell_name(options, dict.fromkeys(axes))
    own = {key: value for key, value in options.items() if key not in GATE_KEYS}
    kinds = {option.name: option.kind for option in options_of("run")}
    given = {key: Path(str(v)) if kinds[key] is Path else v for key, v in own.items()}
    try:
        request = replace(request_of(checked(given)), runs=runs)
        key = preparation_key(request.model_file, request.data, request.conversion)
    except HilError as exc:
        raise type(exc)(f"{where}: {name}: {exc}") from exc
    return ReadyCell(
        key=cell_key(options), name=name, options=options, request=request, conversion=key
    )
