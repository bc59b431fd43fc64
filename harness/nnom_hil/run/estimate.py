"""The cycle model's estimate of a model's layers on a board, from an exact profile; kept."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nnom_hil.boards import Board, CoreTiming, core_timing
from nnom_hil.build import Image
from nnom_hil.cache import Entry, Kept, UnfitError, obtain
from nnom_hil.errors import TargetError
from nnom_hil.files import digest
from nnom_hil.model.qgraph import QGraph
from nnom_hil.profiler import (
    InstructionClass,
    StretchCycles,
    counting_board,
    counting_plugin,
    disassemble,
    profile_layers,
    stretch_cycles,
)
from nnom_hil.run.prepare import Prepared
from nnom_hil.run.timing import WORTH_TELLING, Estimate

__all__ = ["error_percent", "estimate_layers", "where_time_goes"]

_SCHEMA: Final = "nnom-hil/cycles/1"
_FILE: Final = "cycles.json"
_MEMORY: Final = (InstructionClass.LOAD, InstructionClass.STORE)
_PRODUCTS: Final = (
    InstructionClass.MULTIPLY,
    InstructionClass.SIMD_MULTIPLY,
    InstructionClass.VECTOR,
    InstructionClass.FLOAT,
)
_FLASH_DOUBT: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    """What the cycles depend on."""

    board: Board
    place: Board
    timing: CoreTiming
    image: Image
    data: bytes

    @property
    def key(self) -> str:
        facts = [self.timing.model_dump_json(), str(self.board.flash), self.place.name]
        return digest(_SCHEMA, *facts, self.image.id, str(counting_plugin()), self.data)


def estimate_layers(
    board: Board, image: Image, prepared: Prepared, build: Callable[[Board], Image]
) -> Estimate:
    """Return what the first vector's layers cost on a board's core.

    image: its firmware, build: makes that of another board, which counts where QEMU has no machine
    for this one. Raises TargetError where the core has no cycle model, and what building and
    profile_layers raise.
    """
    timing = core_timing(board.core.cpu)
    if timing is None:
        raise TargetError(f"no cycle model of a {board.core.cpu.value}")
    place = counting_board(board)
    inputs = _Inputs(
        board=board,
        place=place,
        timing=timing,
        image=image if place.name == board.name else build(place),
        data=prepared.x[0].tobytes(),
    )
    names = [node.name for node in prepared.graph.nodes]

    def make() -> dict[str, bytes]:
        rows = [_row(cycles) for cycles in _count(inputs, names)]
        return {_FILE: json.dumps({"schema": _SCHEMA, "layers": rows}, indent=1).encode()}

    def load(kept: Kept) -> list[StretchCycles]:
        return _layers(kept, len(names))

    layers = obtain(Entry(kind="cycles", key=inputs.key), make, load)
    return Estimate(
        cycles=tuple(round(layer.total, 1) for layer in layers),
        error_percent=error_percent(board, timing, layers),
        core_hz=board.clock.core_hz,
        words=where_time_goes(prepared.graph, layers, timing),
    )


def error_percent(board: Board, timing: CoreTiming, layers: Sequence[StretchCycles]) -> float:
    """Return how far cycles may be off: as the core's file says, and by half of what flash takes
    where no table has checked the board's.
    """
    total = sum(layer.total for layer in layers)
    if not total or board.flash is None or board.flash.checked:
        return float(timing.error_percent)
    waits = sum(layer.code + layer.data for layer in layers)
    return round(timing.error_percent + _FLASH_DOUBT * 100 * waits / total, 1)


def _count(inputs: _Inputs, names: Sequence[str]) -> list[StretchCycles]:
    flash = inputs.board.flash
    profile = profile_layers(
        inputs.place, inputs.image.elf, inputs.image.id, inputs.data, names, flash
    )
    listing = disassemble(profile.elf, profile.core)
    return [stretch_cycles(x.stretch, listing, inputs.timing, flash) for x in profile.layers]


def _row(cycles: StretchCycles) -> dict[str, float]:
    by_class = {kind.value: amount for kind, amount in cycles.by_class.items() if amount}
    return {**by_class, "wait for code": cycles.code, "wait for data": cycles.data}


def _layers(kept: Kept, count: int) -> list[StretchCycles]:
    """Raises UnfitError where a file is no list of as many layers' cycles."""
    try:
        rows = json.loads(kept.file(_FILE))["layers"]
        if len(rows) != count:
            raise UnfitError(f"{len(rows)} layers, not {count}")
        return [
            StretchCycles(
                code=float(row.pop("wait for code")),
                data=float(row.pop("wait for data")),
                by_class={InstructionClass(kind): float(n) for kind, n in row.items()},
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise UnfitError(f"{type(exc).__name__}: {exc}") from exc


def where_time_goes(
    graph: QGraph, layers: Sequence[StretchCycles], timing: CoreTiming
) -> tuple[str, ...]:
    """Return, in words, the slowest layer, what bounds it, its limit, and what would help."""
    total = sum(layer.total for layer in layers)
    if not total:
        return ()
    node, slowest = max(zip(graph.nodes, layers, strict=True), key=lambda pair: pair[1].total)
    shares = {
        "loads and stores": sum(slowest.by_class.get(kind, 0.0) for kind in _MEMORY),
        "multiplications": sum(slowest.by_class.get(kind, 0.0) for kind in _PRODUCTS),
        "waiting for flash": slowest.code + slowest.data,
    }
    shares["everything else"] = slowest.total - sum(shares.values())
    parts = sorted(shares.items(), key=lambda item: -item[1])
    told = [f"{what} {amount / slowest.total:.0%}" for what, amount in parts if amount > 0]
    words = [
        f"{node.name} takes {slowest.total / total:.0%} of the cycles; of its own: "
        + ", ".join(told)
    ]
    macs = graph.macs_of(node)
    if macs and timing.macs_per_cycle:
        least = macs / timing.macs_per_cycle
        words.append(
            f"{node.name}: {macs / slowest.total:.2f} MAC per cycle; multiplications alone, at "
            f"most {timing.macs_per_cycle:g} a cycle on this core, would take "
            f"{least / slowest.total:.0%} of it"
        )
    waits = sum(layer.data for layer in layers)
    if waits > WORTH_TELLING * total:
        words.append(
            f"weights and tables in RAM instead of flash would save {waits / total:.0%} of all "
            "cycles"
        )
    return tuple(words)
