"""Many runs as one: a matrix file, the cells that it makes, and the record of all; pure.

Axes, exclude and include mean what they mean in a workflow of GitHub's.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from nnom_hil.errors import UsageError, did_you_mean
from nnom_hil.files import digest, read_toml
from nnom_hil.gates import Comparison
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.times import TimeSource

__all__ = [
    "GATE_KEYS",
    "MATRIX_SCHEMA",
    "CellFigures",
    "CellRecord",
    "MatrixFile",
    "MatrixRecord",
    "cell_key",
    "cell_name",
    "expand",
    "figures_of",
    "line_of",
    "load_matrix",
    "pareto",
]

MATRIX_SCHEMA: Final = "nnom-hil/matrix/1"
GATE_KEYS: Final = ("baselines", "gates")
"""What a cell may have beside the options of a run: a folder of baselines, a file of limits."""
_MOST_CELLS: Final = 10_000


def _plain(value: object) -> object:
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError(f"{value!r}: needs text in quotes, a number, true or false")
    return value


Value = Annotated[bool | int | float | str, PlainValidator(_plain)]
Cell = dict[str, Value]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class MatrixFile(_Document):
    """A matrix. options: of every cell. matrix: the axes, each an option and its values."""

    options: dict[str, Value] = {}
    matrix: dict[str, list[Value]] = {}
    exclude: list[dict[str, Value]] = []
    include: list[dict[str, Value]] = []


class CellFigures(_Document):
    """What a reader compares cells by. time_us, cycles: of one inference, by time_source."""

    accuracy: float | None = None
    error: float | None = None
    time_source: TimeSource
    error_percent: float | None = None
    time_us: float | None = None
    cycles: float | None = None
    instructions: int | None = None
    flash: int | None = None
    ram: int | None = None
    stack: int | None = None


class CellRecord(_Document):
    """One cell. run: the name of its run's folder, None where there is none. figures: its own.

    verdict: the run's; reasons: why it is none, or no pass. gates: None where there is no baseline,
    which ungated tells.
    """

    key: str
    name: str
    options: dict[str, Value]
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    run: str | None = None
    figures: CellFigures | None = None
    gates: Comparison | None = None
    ungated: str = ""

    @property
    def passed(self) -> bool:
        """Whether the run passed and no gate failed."""
        return self.verdict is Verdict.PASS and (self.gates is None or self.gates.passed)

    @property
    def said(self) -> str:
        """What became of it, in a word or a few."""
        if self.verdict is Verdict.PASS and self.gates is not None and not self.gates.passed:
            return f"gates: {', '.join(gate.name for gate in self.gates.failed)}"
        return self.verdict.value


class MatrixRecord(_Document):
    """What became of all cells, in the order of the matrix. runs: from the matrix's folder to that
    of the runs.
    """

    schema_: Annotated[Literal["nnom-hil/matrix/1"], Field(alias="schema")] = MATRIX_SCHEMA
    name: str
    started: str
    command: tuple[str, ...] = ()
    commit: str | None = None
    runs: str = "runs"
    cells: tuple[CellRecord, ...]

    @property
    def passed(self) -> bool:
        """Whether every cell did."""
        return all(cell.passed for cell in self.cells)

    def to_json(self) -> str:
        """Return the record as JSON text, with the verdict."""
        document = {**self.model_dump(mode="json", by_alias=True), "passed": self.passed}
        return json.dumps(document, sort_keys=True, indent=1) + "\n"


def load_matrix(path: Path) -> MatrixFile:
    """Read a matrix file; raises UsageError naming file, key and what is wrong."""
    return read_toml(path, MatrixFile, what="the matrix file")


def line_of(path: Path, key: str) -> str:
    """Return ":7" where one line of a file alone gives that key, else nothing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ""
    found = [i for i, line in enumerate(lines, 1) if line.partition("=")[0].strip(" \t\"'") == key]
    return f":{found[0]}" if len(found) == 1 else ""


def expand(file: MatrixFile, path: Path) -> list[Cell]:
    """Return the cells, each with all its options; path: of the file, for messages.

    Raises UsageError for axes without values, for entries that match nothing, and for no cell.
    """
    _check_axes(file, path)
    axes = file.matrix
    cells = [
        dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    ] if axes else []  # fmt: skip
    made = [{**file.options, **cell} for cell in _with_more(_without(cells, file, path), file)]
    if not made:
        raise UsageError(f"{path}: it has no cells: name boards and models under [matrix]")
    return list({cell_key(cell): cell for cell in made}.values())


def _check_axes(file: MatrixFile, path: Path) -> None:
    axes = file.matrix
    for name, values in axes.items():
        where = f"{path}{line_of(path, name)}: [matrix] {name}"
        if not values:
            raise UsageError(f"{where}: an axis needs values")
        if len({repr(value) for value in values}) < len(values):
            raise UsageError(f"{where}: a value stands there twice")
        if name in file.options:
            raise UsageError(f"{where}: it is in [options] too; leave out one of the two")
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > _MOST_CELLS:
        raise UsageError(f"{path}: [matrix] has {count} cells, more than {_MOST_CELLS}")


def _with_more(cells: list[Cell], file: MatrixFile) -> list[Cell]:
    """Return the cells with what [[include]] adds to them, and those that it adds."""
    axes = file.matrix
    extras: list[Cell] = [{} for _ in cells]
    alone: list[Cell] = []
    for wish in file.include:
        # as GitHub has it: it adds to each cell whose own values it leaves, or is one more
        wanted = {key: value for key, value in wish.items() if key in axes}
        fitting = [i for i, cell in enumerate(cells) if _matches(cell, wanted)]
        for i in fitting:
            extras[i] |= {key: value for key, value in wish.items() if key not in axes}
        if not fitting:
            alone.append(wish)
    return [{**cell, **extra} for cell, extra in zip(cells, extras, strict=True)] + alone


def _without(cells: list[Cell], file: MatrixFile, path: Path) -> list[Cell]:
    for number, wish in enumerate(file.exclude, 1):
        where = f"{path}: [[exclude]] item {number}"
        for key in wish:
            if key not in file.matrix:
                near = did_you_mean(key, file.matrix)
                raise UsageError(f"{where}: {key!r} is no axis of [matrix]{near}")
        kept = [cell for cell in cells if not _matches(cell, wish)]
        if len(kept) == len(cells):
            raise UsageError(f"{where}: it matches no cell: {_words(wish)}")
        cells = kept
    return cells


def _matches(cell: Mapping[str, Value], wish: Mapping[str, Value]) -> bool:
    return all(cell[key] == value for key, value in wish.items())


def cell_key(cell: Mapping[str, Value]) -> str:
    """Return what tells a cell from others, in any order of its options."""
    return digest(json.dumps(cell, sort_keys=True))[:16]


def cell_name(cell: Mapping[str, Value], axes: Mapping[str, Any]) -> str:
    """Return how a cell is called: its model and board, then the axes that it is told apart by."""
    model, board = (Path(str(cell.get(key, ""))).stem for key in ("model", "board"))
    others = {key: cell[key] for key in axes if key in cell and key not in {"model", "board"}}
    rest = f", {_words(others)}" if others else ""
    return f"{model or 'digits'} on {board or 'stm32f4'}{rest}"


def _words(options: Mapping[str, Value]) -> str:
    return ", ".join(f"{key} {_word(value)}" for key, value in options.items())


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def figures_of(record: RunRecord) -> CellFigures:
    """Return a record's figures. Microseconds that are nobody's are not among them."""
    source = record.time_source
    return CellFigures(
        accuracy=None if record.accuracy is None else record.accuracy.quantised,
        error=None if record.regression is None else record.regression.target.mae,
        time_source=source,
        error_percent=record.error_percent,
        time_us=record.total_time_us if source.is_time else None,
        cycles=record.total_cycles if source.has_cycles else None,
        instructions=record.total_instructions,
        flash=record.flash_bytes,
        ram=record.ram_bytes,
        stack=None if record.memory is None else record.memory.ram_stack,
    )


def pareto(points: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    """Yield the names of the points that no other one beats: less of the first, more of the second.

    One that is better in one and no worse in the other beats it.
    """
    for name, (cost, gain) in points.items():
        others = [p for other, p in points.items() if other != name]
        if not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in others):
            yield name
