"""CSV: a line a figure, so that those of many runs can lie in one sheet."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

from nnom_hil.records import RunRecord
from nnom_hil.report.facts import Fact, facts_of
from nnom_hil.report.sides import Side
from nnom_hil.text import sheet_cell

__all__ = ["comparison_csv", "csv_table", "run_csv"]

_WHAT: Final = ("part", "name", "figure", "unit")


def run_csv(record: RunRecord) -> str:
    """Return the run's figures: run, board, model, part, name, figure, unit, value, source.

    Shares are 0 to 1. The source is of times only; an estimate's error is in per cent.
    """
    of_all = (record.id, record.board, record.model)
    rows = (
        (*of_all, *_what(fact), fact.value, fact.source or "", fact.band or "")
        for fact in facts_of(record)
    )
    return csv_table(("run", "board", "model", *_WHAT, "value", "source", "error %"), rows)


def comparison_csv(one: RunRecord, other: RunRecord, sides: Sequence[Side]) -> str:
    """Return two runs' figures side by side: a and b, each with its source."""
    del one, other
    rows = (
        (*_what(side.fact), *_value(side.one), *_value(side.other), side.relation, side.why)
        for side in sides
    )
    return csv_table((*_WHAT, "a", "source of a", "b", "source of b", "relation", "why"), rows)


def _what(fact: Fact) -> tuple[str, str, str, str]:
    return fact.part, fact.name, fact.figure, fact.unit


def _value(fact: Fact | None) -> tuple[object, object]:
    return ("", "") if fact is None else (fact.value, fact.source or "")


def csv_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a heading and rows as CSV that no spreadsheet computes with."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(map(sheet_cell, row) for row in rows)
    return text.getvalue()
