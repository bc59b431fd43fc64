"""The cycle model's estimate of a model's layers on a board, from an exact profile; kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nnom_hil.boards import Board, CoreTiming, FlashReads, core_timing
from nnom_hil.build import Image
from nnom_hil.cache import Entry, Kept, UnfitError, obtain
from nnom_hil.errors import TargetError
from nnom_hil.files import digest
from nnom_hil.model.qgraph import QGraph
from nnom_hil.profiler import (
    Instruction,
    InstructionClass,
    ModelProfile,
    StretchCycles,
    counting_board,
    disassemble,
    plugin_digest,
    profile_layers,
    stretch_cycles,
)
from nnom_hil.run.prepare import Prepared
from nnom_hil.run.timing import WORTH_TELLING, Estimate

__all__ = ["count_model", "error_percent", "estimate_layers", "price_layers", "where_time_goes"]

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


def estimate_layers(
    board: Board,
    prepared: Prepared,
    build: Callable[[Board], Image],
    counted: ModelProfile | None = None,
) -> Estimate:
    """Return what the first vector's layers cost on a board's core.

    build: makes the firmware for the board that counts, this one or another with its core. counted:
    what count_model() has found already. Raises TargetError where the core has no cycle model, and
    what building and count_model raise.
    """
    timing = core_timing(board.core.cpu)
    if timing is None:
        raise TargetError(f"no cycle model of a {board.core.cpu.value}")
    place = counting_board(board)
    image = build(place)

    def make() -> dict[str, bytes]:
        profile = counted or count_model(board, place, image, prepared)
        priced = price_layers(profile, disassemble(profile.elf, profile.core), timing, board.flash)
        document = {"schema": _SCHEMA, "layers": [_row(cycles) for cycles in priced]}
        return {_FILE: json.dumps(document, indent=1).encode()}

    def load(kept: Kept) -> list[StretchCycles]:
        return _layers(kept, len(prepared.graph.nodes))

    # counts depend on neither QEMU's version nor the compiler of the plugin
    facts = [timing.model_dump_json(), str(board.flash), place.name, plugin_digest()]
    key = digest(_SCHEMA, *facts, image.id, prepared.x[0].tobytes())
    layers = obtain(Entry(kind="cycles", key=key), make, load)
    return Estimate(
        cycles=tuple(round(layer.total, 1) for layer in layers),
        error_percent=error_percent(board, timing, layers),
        core_hz=board.clock.core_hz,
        words=where_time_goes(prepared.graph, layers, timing),
    )


def count_model(board: Board, place: Board, image: Image, prepared: Prepared) -> ModelProfile:
    """Run the first vector in QEMU, and return what each layer ran.

    place, image: of counting_board(), and the firmware for it. Reads of flash are counted as the
    board has it. Raises as profile_layers does.
    """
    names = [node.name for node in prepared.graph.nodes]
    data = prepared.x[0].tobytes()
    return profile_layers(place, image.elf, image.id, data, names, board.flash)


def price_layers(
    profile: ModelProfile,
    listing: Mapping[int, Instruction],
    timing: CoreTiming,
    flash: FlashReads | None,
) -> list[StretchCycles]:
    """Return each layer's cycles. listing: of the profile's program; flash: of its board."""
    return [stretch_cycles(layer.stretch, listing, timing, flash) for layer in profile.layers]


def error_percent(board: Board, timing: CoreTiming, layers: Sequence[StretchCycles]) -> float:
    """Return how far cycles may be off: as the core's file says, and by half of what flash takes
    where no table has checked the board's.
    """
    total = sum(layer.total for layer in layers)
    if not total or board.flash is None or board.flash.checked:
        return float(timing.error_percent)
    waits = sum(layer.code + layer.data for layer in layers)
    return round(timing.error_percent + _FLASH_DOUBT * 100 * waits / total, 1)


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
