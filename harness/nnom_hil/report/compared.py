"""Two runs side by side, what differs marked: for a terminal, as a page, as JSON."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from nnom_hil.records import RunRecord
from nnom_hil.report.facts import Fact, Part
from nnom_hil.report.grid import Grid
from nnom_hil.report.html import render_page
from nnom_hil.report.sides import Relation, Side
from nnom_hil.report.terminal import as_text

__all__ = ["comparison_html", "comparison_json", "comparison_text", "print_sides"]

COMPARISON_SCHEMA = "nnom-hil/comparison/1"
_STYLES = {Relation.SAME: "dim", Relation.DIFFERS: "bold", Relation.APART: "yellow"}


def comparison_text(one: RunRecord, other: RunRecord, sides: Sequence[Side]) -> str:
    """Return what print_sides prints."""
    return as_text(lambda console: print_sides(one, other, sides, console))


def print_sides(one: RunRecord, other: RunRecord, sides: Sequence[Side], console: Console) -> None:
    """Print a table of what differs, why what cannot be compared, and how much is the same."""
    table = Grid()
    console.print(Text(f"A: {one.id}\nB: {other.id}"))
    for heading in ("figure", "A", "B"):
        table.add_column(heading, overflow="fold")
    table.add_column("change", justify="right")
    differing = [side for side in sides if side.relation is not Relation.SAME]
    for side in differing:
        cells = (side.fact.what, _text(side.one), _text(side.other), side.change_text)
        table.add_row(*cells, style=_STYLES.get(side.relation, ""))
    same = len(sides) - len(differing)
    whys = dict.fromkeys(side.why for side in sides if side.why)
    console.print(table)
    for line in (*whys, f"{same} other figures are the same"):
        console.print(Text(line))


def _text(fact: Fact | None) -> str:
    return "–" if fact is None else fact.text


def comparison_html(one: RunRecord, other: RunRecord, sides: Sequence[Side]) -> str:
    """Return a page with all figures, those that differ marked."""
    return render_page(
        "compare.html.j2",
        {"shown": _text},
        one=one,
        other=other,
        parts=[(part, [s for s in sides if s.fact.part is part]) for part in Part],
        same=Relation.SAME,
        differing=sum(side.relation is not Relation.SAME for side in sides),
        whys=list(dict.fromkeys(side.why for side in sides if side.why)),
    )


def comparison_json(one: RunRecord, other: RunRecord, sides: Sequence[Side]) -> str:
    """Return all figures; a and b are null where a run has none, sources that of times."""
    rows = [
        {
            "part": side.fact.part, "name": side.fact.name, "figure": side.fact.figure,
            "unit": side.fact.unit, "a": _value(side.one), "b": _value(side.other),
            "relation": side.relation, "change": side.change, "why": side.why,
        }
        for side in sides
    ]  # fmt: skip
    document = {"schema": COMPARISON_SCHEMA, "a": one.id, "b": other.id, "figures": rows}
    return json.dumps(document, indent=2) + "\n"


def _value(fact: Fact | None) -> dict[str, object] | None:
    return None if fact is None else {"value": fact.value, "source": fact.source}
