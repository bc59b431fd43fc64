"""Figures derived from a record, and how numbers are written; shared by every kind of report."""

from dataclasses import dataclass

from nnom_hil.records import LayerRecord, RunRecord

__all__ = [
    "TIME_NOTES",
    "LayerFigures",
    "layer_figures",
    "percent",
    "size",
    "thousands",
]

TIME_NOTES = {
    "dwt": "cycles counted by the core",
    "systick": "cycles of the core, counted by SysTick or a timer on its clock",
    "virtual": "virtual time: a fixed time per instruction, not the target's cycles",
    "instructions": "counted instructions, not cycles",
    "model": "cycles estimated from an instruction profile",
    "host": "time of the machine the process ran on: it says nothing about a target",
    "printed": "as the firmware printed it, by its own clock",
}
"""What a duration of each source is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFigures:
    """share: of the model's time, 0 to 1. macs_per_hz: MACs per tick of the core clock."""

    layer: LayerRecord
    share: float
    macs_per_us: float | None
    macs_per_hz: float | None


def layer_figures(record: RunRecord) -> list[LayerFigures]:
    """Return the derived figures of every layer."""
    total = record.total_time_us or 0.0
    figures = []
    for layer in record.layers:
        per_us = layer.macs / layer.time_us if layer.macs and layer.time_us else None
        figures.append(
            LayerFigures(
                layer=layer,
                share=(layer.time_us or 0.0) / total if total else 0.0,
                macs_per_us=per_us,
                macs_per_hz=per_us / (record.core_hz / 1e6) if per_us and record.core_hz else None,
            )
        )
    return figures


def percent(share: float | None) -> str:
    """Return 0.9917 as 99.17 %."""
    return "–" if share is None else f"{100 * share:.2f} %"


def size(count: int | None) -> str:
    """Return a number of bytes with its unit."""
    if count is None:
        return "–"
    if count < 10 * 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.2f} MiB"


def thousands(value: float | None, digits: int = 0) -> str:
    """Return a number with thin spaces between thousands."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")
