"""A run, or two side by side, as Markdown for a pull request: the rest is folded away."""

from collections.abc import Iterable, Sequence

from nnom_hil.records import RunRecord, Verdict
from nnom_hil.report.advice import what_next
from nnom_hil.report.figures import (
    headline,
    judged,
    layer_figures,
    measure_of,
    percent,
    printed,
    size,
    slowest,
    thousands,
)
from nnom_hil.report.markdown import bold, code, escape, table
from nnom_hil.report.mistakes import frequent_mistakes
from nnom_hil.report.sides import Relation, Side

__all__ = ["comparison_markdown", "run_markdown"]

_SIGNS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.ERROR: "⚠️"}


def run_markdown(record: RunRecord) -> str:
    """Return the run's summary; layers and mistakes are folded away."""
    title = f"{_SIGNS[record.verdict]} {escape(record.model)} on {escape(record.board)}"
    parts = [f"### {title}: {record.verdict.upper()}", _list(record.reasons)]
    if record.verdict is not Verdict.PASS:
        parts.append(_list(what_next(record)))
    parts.append(table(["figure", "value"], _facts(record)))
    if record.layers:
        parts.append(_folded(_layers_title(record), _layers(record)))
    if mistakes := frequent_mistakes(record):
        rows = [(str(m.truth), str(m.said), str(m.count)) for m in mistakes]
        headings = ["true label", "the target's answer", "times"]
        parts.append(_folded("Most frequent mistakes", table(headings, rows, right=range(3))))
    return "\n\n".join(part for part in parts if part) + "\n"


def comparison_markdown(one: RunRecord, other: RunRecord, sides: Sequence[Side]) -> str:
    """Return what differs between two runs; what is the same is folded away."""
    headings = ["figure", "A", "B", "change"]
    differing = [side for side in sides if side.relation is not Relation.SAME]
    same = [side for side in sides if side.relation is Relation.SAME]
    parts = [
        f"### {escape(one.model)} on {escape(one.board)} against {escape(other.model)} on "
        f"{escape(other.board)}",
        f"A: {code(one.id)}, {one.verdict.upper()}; B: {code(other.id)}, {other.verdict.upper()}",
        table(headings, map(_side, differing), right=(3,)) if differing else "Nothing differs.",
        _list(dict.fromkeys(side.why for side in sides if side.why)),
    ]
    if same:
        parts.append(
            _folded(f"{len(same)} figures are the same", table(headings, map(_side, same)))
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def _side(side: Side) -> list[str]:
    values = ["–" if fact is None else fact.text for fact in (side.one, side.other)]
    return [side.fact.what, *values, bold(side.change_text) if side.change_text else ""]


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>\n\n{content}\n\n</details>"


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    what, amount = headline(record)
    rows = [(what, f"{amount} ({measure_of(record).source})")] if record.layers else []
    if record.vectors:
        equal = record.vectors - record.outputs_different
        rows.append(("outputs equal the reference", f"{equal} of {record.vectors}"))
    rows += judged(record)
    if (memory := record.memory) is not None:
        rows.append(("flash", f"{size(memory.flash)} of {size(memory.flash_available)}"))
        rows.append(("RAM", f"{size(record.ram_bytes)} of {size(memory.ram_available)}"))
    rows += [(f"printed: {what}", text) for what, text in printed(record)]
    identities = (
        ("model", record.model_hash),
        ("image", record.image_id),
        ("commit", record.commit),
    )
    return rows + [(what, code(value)) for what, value in identities if value]


def _layers_title(record: RunRecord) -> str:
    most = slowest(layer_figures(record))
    named = f"; slowest: {most.layer.name}, {percent(most.share)}" if most else ""
    return f"Layers{named} ({measure_of(record).source})"


def _layers(record: RunRecord) -> str:
    measure = measure_of(record)
    digits = 1 if measure.unit == "µs" else 0
    rows = [
        (
            f.layer.name,
            f.layer.type,
            "×".join(map(str, f.layer.shape)),
            thousands(f.layer.macs) if f.layer.macs else "",
            thousands(f.amount, digits),
            percent(f.share) if f.amount is not None else "–",
        )
        for f in layer_figures(record)
    ]
    headings = ["layer", "type", "output", "MAC", measure.heading, "share"]
    return table(headings, rows, right=(3, 4, 5))
