"""The Markdown table of one model on many boards."""

from collections.abc import Iterable

from nnom_hil.records import RunRecord
from nnom_hil.report.figures import headline, measure_of, percent, size, total_rate
from nnom_hil.report.markdown import table

__all__ = ["survey_table"]

_HEADINGS = ("board", "core", "MHz", "runs in", "outputs equal", "accuracy or MAE",
    "an inference", "MACs", "source", "flash", "RAM")  # fmt: skip


def survey_table(rows: Iterable[tuple[str, str, str, RunRecord | None, str]]) -> str:
    """Return a table; a row is board, core, back end, record, or None and why there is none."""
    lines = []
    for board, core, backend, record, why in rows:
        if record is None:
            cells = [board, core, "", backend, why, *[""] * (len(_HEADINGS) - 5)]
        else:
            cells = [board, core, *_figures(backend, record)]
        lines.append(cells)
    return table(_HEADINGS, lines)


def _figures(backend: str, record: RunRecord) -> list[str]:
    hz, measure = record.core_hz, measure_of(record)
    _, amount = headline(record)
    rate = total_rate(record)
    return [
        str(hz // 1_000_000) if hz else "",
        backend,
        f"{record.vectors - record.outputs_different} of {record.vectors_planned}",
        _judged(record),
        f"{amount} instructions" if measure.unit == "instructions" else amount,
        f"{rate:.3f} {measure.rate}" if rate is not None else "",
        measure.source,
        size(record.flash_bytes) if record.flash_bytes else "",
        size(record.ram_bytes) if record.ram_bytes else "",
    ]


def _judged(record: RunRecord) -> str:
    if record.accuracy is not None:
        return percent(record.accuracy.quantised)
    return f"{record.regression.target.mae:.4g}" if record.regression is not None else ""
