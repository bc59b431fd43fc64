"""Figures derived from a record, and how numbers are written; shared by every kind of report."""

from dataclasses import dataclass

from nnom_hil.records import Deviation, LayerRecord, RunRecord, Task

__all__ = [
    "TIME_NOTES",
    "LayerFigures",
    "deviation",
    "judged",
    "kernels_in_words",
    "layer_figures",
    "percent",
    "size",
    "thousands",
]

TIME_NOTES = {
    "dwt": "cycles counted by the core",
    "systick": "cycles of the core, counted by SysTick or a timer on its clock",
    "virtual": "virtual time: a fixed time per instruction, not the target's cycles",
    "renode": "virtual time: instructions, one a cycle (the board's mips), not the target's cycles",
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


def judged(record: RunRecord) -> list[tuple[str, str]]:
    """Return what was judged and its figures, as names and texts; nothing where there are none."""
    rows = []
    if record.task is not None:
        rows.append(("judged as", record.task.words))
    if record.accuracy is not None:
        accuracy, several = record.accuracy, record.task is Task.MULTI_LABEL
        what = "accuracy on the target" + (", of all labels" if several else "")
        rows.append((what, _beside(percent(accuracy.quantised), percent(accuracy.float_))))
        if len(accuracy.top_k) > 1:
            best = ", ".join(percent(share) for share in accuracy.top_k[1:])
            rows.append((f"among the first 2 to {len(accuracy.top_k)}", best))
    if (labels := record.multi_label) is not None:
        exact = _beside(percent(labels.exact), percent(labels.float_exact))
        rows.append(("all labels right", exact))
        f1 = _beside(_plain(labels.f1), _plain(labels.float_f1))
        rows.append(("F1, mean of the labels", f1))
    if record.regression is not None:
        for what, target, keras in zip(
            ("mean absolute error on the target", "root mean squared error", "R²"),
            _numbers(record.regression.target),
            _numbers(record.regression.float_),
            strict=True,
        ):
            rows.append((what, _beside(target, keras)))
    if record.agreement is not None:
        rows.append(("same answer as Keras float", percent(record.agreement)))
    if record.against_float is not None:
        rows.append(("against Keras float", deviation(record.against_float)))
    return rows


def deviation(figures: Deviation) -> str:
    """Return the three figures in a line."""
    mae, rmse, r2 = _numbers(figures)
    return f"MAE {mae}, RMSE {rmse}, R² {r2}"


def _numbers(figures: Deviation) -> tuple[str, str, str]:
    return f"{figures.mae:.4g}", f"{figures.rmse:.4g}", _plain(figures.r2)


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _beside(target: str, keras: str) -> str:
    return f"{target}  (Keras float {keras})"


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


def kernels_in_words(forms: dict[str, str]) -> str:
    """Return the forms, most frequent first, with the operations, by name, of all but the first."""
    by_form: dict[str, list[str]] = {}
    for operation, form in sorted(forms.items()):
        by_form.setdefault(form, []).append(operation)
    ranked = sorted(by_form.items(), key=lambda item: -len(item[1]))
    most, *others = ranked
    return ", ".join([most[0], *(f"{form} ({', '.join(names)})" for form, names in others)])
