"""The cycle model against published times of layers on silicon (boards/cores/measured).

Each table's model is made anew with its shapes, built on the code that the table's author ran
(NNoM, with or without CMSIS-NN), counted exactly and priced. What was chosen by looking at tables
is chosen again for each one by the others alone: leave one table out.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from nnom_hil.boards import Board, CoreTiming, Cpu, FlashReads, core_timing
from nnom_hil.boards.schema import Facts, Hertz, load_facts
from nnom_hil.build import Image, Library
from nnom_hil.codegen.layouts import HeaderOptions
from nnom_hil.errors import BoardError, UsageError
from nnom_hil.extras import need
from nnom_hil.paths import boards_dir
from nnom_hil.profiler import disassemble, machine_for, profile_layers, stretch_cycles
from nnom_hil.run.prepare import ConvertOptions, Prepared, prepare
from nnom_hil.run.request import for_header
from nnom_hil.run.runner import build_for
from nnom_hil.zoo.shapes import ShapedLayer, write_shaped_model

__all__ = ["CheckedLayer", "CheckedTable", "MeasuredTable", "check_model", "load_tables"]

_LONG_US: Final = 100.0
"""Layers above this count: below it a table's microseconds are coarse."""
_REFILLS: Final = (1, 2, 3)
_DATA_CACHES: Final = (0, 256)
"""Bytes of flash that are held for loads, as could be: one read, or what the manual says."""


class _MeasuredLayer(ShapedLayer):
    """us: published, None where it is not. other_code: why the table's code cannot be had; such
    layers are shown and not counted.
    """

    us: Annotated[float, Field(gt=0, strict=False)] | None = None
    other_code: str | None = None


class MeasuredTable(Facts):
    """One published table. clock_hz: None where it is not named: one factor is free then.

    total_us: published for the whole model alone.
    """

    schema_: Annotated[Literal["nnom-hil/measured/1"], Field(alias="schema")]
    title: str
    core: Annotated[Cpu, Field(strict=False)]
    compiler: str
    cmsis_nn: bool
    clock_hz: Hertz | None = None
    source: str
    input: list[int]
    total_us: Annotated[float, Field(gt=0, strict=False)] | None = None
    flash: FlashReads
    layers: list[_MeasuredLayer]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLayer:
    """published, estimated: cycles. other_code: as the table says."""

    name: str
    published: float
    estimated: float
    other_code: str | None

    @property
    def error(self) -> float:
        """Of the estimate, as a share of what was published."""
        return self.estimated / self.published - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTable:
    """One table by parameters that the others chose. taken: a taken branch's cycles beside its own,
    data_cache: bytes. clock_hz: the table's, or what fits best; total_error: of the whole model.
    """

    table: MeasuredTable
    clock_hz: float
    taken: int
    data_cache: int
    layers: tuple[CheckedLayer, ...]
    total_error: float

    @property
    def errors(self) -> list[float]:
        """Sizes of the errors of the long layers whose code could be had, as shares."""
        return [abs(layer.error) for layer in self._long if layer.other_code is None]

    @property
    def errors_of_all(self) -> list[float]:
        """Sizes of the errors of all long layers, as shares."""
        return [abs(layer.error) for layer in self._long]

    @property
    def _long(self) -> list[CheckedLayer]:
        least = _LONG_US * self.clock_hz / 1e6
        return [layer for layer in self.layers if layer.published > least]

    def as_dict(self) -> dict[str, Any]:
        """Return title, choices, errors and layers."""
        return {
            "title": self.table.title,
            "core": self.table.core.value,
            "clock_hz": round(self.clock_hz),
            "clock_is_published": self.table.clock_hz is not None,
            "taken": self.taken,
            "data_cache": self.data_cache,
            "total_error": round(self.total_error, 4),
            "layers": [{**asdict(x), "error": round(x.error, 4)} for x in self.layers],
        }


def load_tables() -> dict[str, MeasuredTable]:
    """Return the published tables by name; raises BoardError for a wrong file."""
    files = sorted((boards_dir() / "cores" / "measured").glob("*.toml"))
    return {path.stem: load_facts(path, MeasuredTable, "table") for path in files}


def check_model(
    nnom: Path | None, cmsis_nn: Path | None, on_step: Callable[[str], None] = lambda _: None
) -> list[CheckedTable]:
    """Estimate every table's layers and compare.

    nnom, cmsis_nn: the trees of NNoM and CMSIS 5, which the tables' authors used. Raises UsageError
    without them, and what building and counting raise.
    """
    if nnom is None or cmsis_nn is None:
        raise UsageError(
            "the published tables were made with NNoM on CMSIS-NN's q7 kernels: name both with "
            "--nnom DIR --cmsis-nn DIR (NNoM 0.4.3, CMSIS 5.7)"
        )
    library = Library(nnom=nnom, cmsis_nn=cmsis_nn)
    library.check()
    counted = {}
    for name, table in load_tables().items():
        on_step(f"counting {name}")
        counted[name] = _estimates(table, library)
    return [_left_out(name, counted) for name in counted]


@dataclass(frozen=True, slots=True)
class _Estimates:
    """A table's layers' cycles for each choice of (taken, data_cache), in the table's order."""

    table: MeasuredTable
    choices: Mapping[tuple[int, int], Sequence[float]]


def _estimates(table: MeasuredTable, library: Library) -> _Estimates:
    timing = core_timing(table.core)
    assert timing is not None  # tables are of cores that have a model
    place = machine_for(table.core)
    own = library if table.cmsis_nn else replace(library, cmsis_nn=None)
    prepared, names = _prepared(table)
    header = HeaderOptions()
    image = build_for(place, prepared.graph, header=header, compat=True, library=own)
    choices = {}
    for data_cache in _DATA_CACHES:
        size = data_cache or table.flash.width
        flash = table.flash.model_copy(update={"data_cache": size})
        for taken, cycles in _priced(place, image, prepared, names, timing, flash).items():
            choices[taken, size] = cycles
    return _Estimates(table, choices)


def _priced(
    place: Board,
    image: Image,
    prepared: Prepared,
    names: Sequence[str],
    timing: CoreTiming,
    flash: FlashReads,
) -> dict[int, list[float]]:
    nodes = prepared.graph.nodes
    profile = profile_layers(
        place, image.elf, image.id, prepared.x[0].tobytes(), [node.name for node in nodes], flash
    )
    listing = disassemble(profile.elf, profile.core)
    priced = {}
    for taken in _REFILLS:
        cycles = timing.cycles.model_copy(update={"taken": taken})
        own = timing.model_copy(update={"cycles": cycles})
        of = {
            layer.name: stretch_cycles(layer.stretch, listing, own, flash).total
            for layer in profile.layers
        }
        priced[taken] = [of[name] for name in names]
    return priced


def _left_out(name: str, counted: Mapping[str, _Estimates]) -> CheckedTable:
    """Check one table with what fits the others of its core best."""
    core = counted[name].table.core
    others = [e for key, e in counted.items() if key != name and e.table.core is core]
    choices = list(counted[name].choices)

    def misfit(choice: tuple[int, int]) -> float:
        checked = [_checked(other, choice) for other in others]
        errors = [error for table in checked for error in table.errors]
        return fmean([*errors, *(abs(t.total_error) for t in checked)])

    return _checked(counted[name], min(choices, key=misfit) if others else choices[0])


def _checked(estimates: _Estimates, choice: tuple[int, int]) -> CheckedTable:
    table, cycles = estimates.table, estimates.choices[choice]
    rows = list(zip(table.layers, cycles, strict=True))
    long = [
        c * 1e6 / layer.us
        for layer, c in rows
        if layer.us is not None and layer.us > _LONG_US and layer.other_code is None
    ]
    clock = float(table.clock_hz or median(long))
    layers = tuple(
        CheckedLayer(
            name=layer.name or f"{i} {layer.op}",
            published=layer.us * clock / 1e6,
            estimated=c,
            other_code=layer.other_code,
        )
        for i, (layer, c) in enumerate(rows, start=1)
        if layer.us is not None
    )
    whole = table.total_us or sum(layer.us or 0.0 for layer in table.layers)
    return CheckedTable(
        table=table,
        clock_hz=clock,
        taken=choice[0],
        data_cache=choice[1],
        layers=layers,
        total_error=sum(cycles) / (whole * clock / 1e6) - 1,
    )


def _prepared(table: MeasuredTable) -> tuple[Prepared, list[str]]:
    """Return the converted model, and the names of the nodes that the table's layers are."""
    with tempfile.TemporaryDirectory() as folder:
        model, data = Path(folder) / "model.keras", Path(folder) / "data.npz"
        need("convert", "bench model")
        names = write_shaped_model(model, table.input, table.layers)
        rng = np.random.default_rng(0)
        np.savez(data, x=rng.normal(size=(8, *table.input)).astype(np.float32))
        options = ConvertOptions(per_channel=False)
        prepared = prepare(model, data, options=for_header(options, HeaderOptions(), nnom=True))
    known = {node.name for node in prepared.graph.nodes}
    if missing := [name for name in names if name not in known]:
        raise BoardError(f"{table.title}: {missing[0]} is no layer of the converted model")
    return prepared, names
