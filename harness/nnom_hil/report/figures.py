"""Figures derived from a record, and how numbers are written; shared by every kind of report."""

import math
from dataclasses import dataclass
from typing import Final

from nnom_hil.records import Deviation, LayerRecord, RunRecord, Task
from nnom_hil.report.writing import decibels, percent, size, thousands
from nnom_hil.times import TimeSource

__all__ = [
    "LayerFigures",
    "Measure",
    "confidence",
    "decibels",
    "deviation",
    "headline",
    "judged",
    "kernels_in_words",
    "layer_figures",
    "measure_of",
    "percent",
    "printed",
    "size",
    "slowest",
    "thousands",
    "total_amount",
    "total_rate",
    "wilson",
]

_Z95: Final = 1.959964
"""Of the normal distribution, 95 % lie within so many standard deviations."""
_PER_CYCLE: Final = "MACops/Hz"
_PER_INSTRUCTION: Final = "MAC per instruction"
_NOTES: Final = {
    TimeSource.DWT: "cycles of the core, counted by its own cycle counter",
    TimeSource.SYSTICK: "cycles of the core, counted by SysTick or a timer on its clock",
    TimeSource.MODEL: "cycles estimated by a model of the core from an exact profile, not measured",
    TimeSource.INSTRUCTIONS: "counted exactly on an emulator, which has no cycles: no time of the "
    "board",
    TimeSource.HOST: "time of the machine the process ran on: it says nothing about a target",
    TimeSource.PRINTED: "as the firmware printed it, by its own clock",
    TimeSource.VIRTUAL: "an emulator's time, which is no time of the board",
    TimeSource.RENODE: "an emulator's time, which is no time of the board",
    TimeSource.UNKNOWN: "nothing tells whether a core or an emulator is behind this clock",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a record's figures count. Each text that shows one carries source.

    source: in words, with an estimate's error. unit: of amounts. rate: what MACs are related to,
    None where that says nothing of a core. note: what they are worth. printed: what the times are
    that the target printed.
    """

    source: str
    unit: str
    rate: str | None
    note: str
    printed: str

    @property
    def heading(self) -> str:
        """The heading of a column of amounts."""
        return self.source if self.source == self.unit else f"time {self.unit}, {self.source}"

    @property
    def rate_heading(self) -> str:
        """The heading of a column of rates."""
        return f"{self.rate}, {self.source}" if self.rate == _PER_CYCLE else self.rate or ""


def measure_of(record: RunRecord) -> Measure:
    """Return what a record's figures count."""
    source = record.time_source
    rate = None
    if source is TimeSource.INSTRUCTIONS:
        rate = _PER_INSTRUCTION
    elif record.core_hz and (source.has_cycles or source is TimeSource.PRINTED):
        rate = _PER_CYCLE
    error = "" if record.error_percent is None else f" ±{record.error_percent:.3g} %"
    words = f"{source.words}{error}"
    printed = words if source.is_measured else "virtual, no time of the board"
    return Measure(
        source=words,
        unit="instructions" if source is TimeSource.INSTRUCTIONS else "µs",
        rate=rate,
        note=_NOTES[source],
        printed=f"times in it: {printed}",
    )


def headline(record: RunRecord) -> tuple[str, str]:
    """Return what is told of an inference, time or instructions, and how much it is.

    Virtual time is no answer, and neither is that of an unknown clock.
    """
    if record.time_source is TimeSource.INSTRUCTIONS:
        return "instructions per inference", thousands(record.total_instructions)
    us = record.total_time_us if record.time_source.is_time else None
    return "time per inference", "–" if us is None else f"{thousands(us / 1000, 2)} ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFigures:
    """One layer, by its record's measure. amount: None if it was not timed; share: of the model's,
    0 to 1. rate: MACs per cycle or instruction, None where there are none.
    """

    layer: LayerRecord
    amount: float | None
    share: float
    rate: float | None


def layer_figures(record: RunRecord) -> list[LayerFigures]:
    """Return the derived figures of every layer."""
    total = total_amount(record) or 0.0
    figures = []
    for layer in record.layers:
        counts = record.time_source is TimeSource.INSTRUCTIONS
        amount = layer.instructions if counts else layer.time_us
        figures.append(
            LayerFigures(
                layer=layer,
                amount=amount,
                share=(amount or 0.0) / total if total else 0.0,
                rate=_rate(record, layer.macs, amount),
            )
        )
    return figures


def total_amount(record: RunRecord) -> float | None:
    """Return what all layers take, by the record's measure."""
    counts = record.time_source is TimeSource.INSTRUCTIONS
    return record.total_instructions if counts else record.total_time_us


def total_rate(record: RunRecord) -> float | None:
    """Return the model's MACs per cycle or instruction, None where there are none."""
    return _rate(record, record.macs or 0, total_amount(record))


def _rate(record: RunRecord, macs: int, amount: float | None) -> float | None:
    rate = measure_of(record).rate
    if not macs or not amount or rate is None:
        return None
    return macs / amount if rate == _PER_INSTRUCTION else macs / (amount * record.core_hz / 1e6)


def slowest(figures: list[LayerFigures]) -> LayerFigures | None:
    """Return the layer that takes most, None where nothing was timed."""
    timed = [f for f in figures if f.amount]
    return max(timed, key=lambda f: f.amount or 0.0) if timed else None


def wilson(share: float, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, 0 to 1, that was seen in so many trials."""
    squared = _Z95**2
    middle = (share + squared / (2 * trials)) / (1 + squared / trials)
    spread = share * (1 - share) / trials + squared / (4 * trials**2)
    half = _Z95 * math.sqrt(spread) / (1 + squared / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def confidence(record: RunRecord) -> tuple[float, float] | None:
    """Return the 95 % interval of the accuracy on the target.

    None where answers are not independent of each other (several labels of an input), or the record
    does not tell how many there were.
    """
    trials = sum(map(sum, record.confusion)) if record.confusion else record.vectors
    if record.accuracy is None or not trials or record.task is Task.MULTI_LABEL:
        return None
    right = record.accuracy.quantised * trials
    whole = abs(right - round(right)) < 1e-6 * trials
    return wilson(record.accuracy.quantised, trials) if whole else None


def judged(record: RunRecord) -> list[tuple[str, str]]:
    """Return what was judged and its figures, as names and texts; nothing where there are none."""
    rows = []
    if record.task is not None:
        rows.append(("judged as", record.task.words))
    if record.accuracy is not None:
        accuracy, several = record.accuracy, record.task is Task.MULTI_LABEL
        what = "accuracy on the target" + (", of all labels" if several else "")
        rows.append((what, _beside(percent(accuracy.quantised), percent(accuracy.float_))))
        if (bounds := confidence(record)) is not None:
            rows.append(("95 % confidence interval", " to ".join(map(percent, bounds))))
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
        rows.append(("same answer as the float model", percent(record.agreement)))
    if record.against_float is not None:
        rows.append(("against the float model", deviation(record.against_float)))
    return rows


def printed(record: RunRecord) -> list[tuple[str, str]]:
    """Return what NNoM printed of itself, as names and texts; times with their source.

    Of firmware of ours all of it is beside what was measured, and there are no rows.
    """
    rows: list[tuple[str, str]] = []
    if record.time_source is not TimeSource.PRINTED:
        return rows
    if (memory := record.printed_memory) is not None:
        blocks = " + ".join(size(block) for block in memory.blocks if block)
        rows += [
            ("memory blocks", f"{size(memory.blocks_total)} ({blocks})" if blocks else ""),
            ("network buffers", _bytes(memory.network_buffers)),
            ("all memory, when compiled", _bytes(memory.total)),
            ("all memory, at model_stat()", _bytes(memory.stat_total)),
            ("static memory", _bytes(memory.static)),
        ]
    if (figures := record.printed) is not None:
        source = figures.time_source.words
        rows += [
            ("NNoM", figures.version or ""),
            ("header made for NNoM", figures.model_version or ""),
            ("data format", figures.data_format or ""),
            ("backend", figures.backend or ""),
            ("compiled in", _timed(figures.compile_ms, "ms", source)),
            ("prediction time", _timed(figures.time_us, "µs", source)),
            ("efficiency", _timed(figures.rate, "MAC/µs", source)),
            ("test frames", "" if figures.frames is None else thousands(figures.frames)),
            ("test running time", _timed(figures.test_s, "s", source)),
            ("model running time", _timed(figures.model_ms, "ms", source)),
            ("average prediction time", _timed(figures.average_us, "µs", source)),
            ("average efficiency", _timed(figures.average_rate, "MAC/µs", source)),
            ("average frame rate", _timed(figures.frames_per_s, "Hz", source)),
        ]
    return [(name, text) for name, text in rows if text]


def _bytes(count: int | None) -> str:
    return "" if count is None else f"{thousands(count)} B"


def _timed(amount: float | None, unit: str, source: str) -> str:
    if amount is None:
        return ""
    return f"{thousands(amount, 0 if amount == int(amount) else 2)} {unit} ({source})"


def deviation(figures: Deviation) -> str:
    """Return the three figures in a line."""
    mae, rmse, r2 = _numbers(figures)
    return f"MAE {mae}, RMSE {rmse}, R² {r2}"


def _numbers(figures: Deviation) -> tuple[str, str, str]:
    return f"{figures.mae:.4g}", f"{figures.rmse:.4g}", _plain(figures.r2)


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _beside(target: str, keras: str) -> str:
    return f"{target}  (float model {keras})"


def kernels_in_words(forms: dict[str, str]) -> str:
    """Return the forms, most frequent first, with the operations, by name, of all but the first."""
    by_form: dict[str, list[str]] = {}
    for operation, form in sorted(forms.items()):
        by_form.setdefault(form, []).append(operation)
    ranked = sorted(by_form.items(), key=lambda item: -len(item[1]))
    most, *others = ranked
    return ", ".join([most[0], *(f"{form} ({', '.join(names)})" for form, names in others)])
