"""What layers took, as the record has it: of a target's ticks, or of the cycle model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

from nnom_hil.link.messages import LayerTimes
from nnom_hil.records import LayerRecord
from nnom_hil.times import Clock, TimeSource

__all__ = ["WORTH_TELLING", "Estimate", "layer_times", "time_facts"]

WORTH_TELLING: Final = 0.03
"""Share of the cycles that a change must save to be told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the cycle model makes of an exact profile, at the board's core clock.

    cycles: of each layer in run order. error_percent: how far off times by this model may be.
    words: where the time goes.
    """

    cycles: tuple[float, ...]
    error_percent: float
    core_hz: int
    words: tuple[str, ...] = ()

    def beside(self, other: "Estimate", what: str) -> "Estimate":
        """Return this one with a line on how many fewer cycles another way takes, if many."""
        saved = 1 - sum(other.cycles) / sum(self.cycles)
        if saved < WORTH_TELLING:
            return self
        return replace(self, words=(*self.words, f"{what} would take {saved:.0%} fewer cycles"))


def layer_times(
    layer: int, clock: Clock, times: Sequence[LayerTimes], estimate: Estimate | None
) -> dict[str, Any]:
    """Return what a LayerRecord tells of the layer's time; nothing where it was not timed."""
    ticks = [run.ticks[layer] for run in times if layer < len(run.ticks)]
    if not ticks:
        return {}
    middle = median(ticks)
    facts: dict[str, Any] = {}
    if clock.source is TimeSource.INSTRUCTIONS:
        facts["instructions"] = clock.instructions(middle)
    else:
        facts["time_us"] = clock.us(middle)
        facts["spread_us"] = clock.us(max(ticks) - min(ticks))
    if clock.source.is_hardware:
        facts["cycles"] = middle
    if estimate is not None:
        facts["cycles"] = estimate.cycles[layer]
        facts["time_us"] = round(estimate.cycles[layer] * 1e6 / estimate.core_hz, 3)
    return facts


def time_facts(
    layers: Iterable[LayerRecord], clock: Clock, estimate: Estimate | None
) -> dict[str, Any]:
    """Return what a RunRecord tells of all layers' times, and where they come from."""
    layers = tuple(layers)

    def total(amounts: Iterable[float | None]) -> float | None:
        known = [amount for amount in amounts if amount is not None]
        return round(sum(known), 3) if known else None

    return {
        "time_source": clock.source if estimate is None else TimeSource.MODEL,
        "error_percent": None if estimate is None else estimate.error_percent,
        "total_time_us": total(layer.time_us for layer in layers),
        "total_cycles": total(layer.cycles for layer in layers),
        "total_instructions": total(layer.instructions for layer in layers),
        "where_time_goes": () if estimate is None else estimate.words,
    }
