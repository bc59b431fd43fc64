"""A run, or two side by side, as JUnit XML: a case for each thing that can go wrong."""

from collections.abc import Iterator, Sequence

from nnom_hil.records import RunRecord, Verdict
from nnom_hil.report.facts import Part, facts_of
from nnom_hil.report.figures import percent
from nnom_hil.report.junit import Case, Suite, junit
from nnom_hil.report.sides import Relation, Side

__all__ = ["comparison_junit", "run_junit", "run_suite"]

_REPEATABLE = ("model hash", "vectors' hash", "NNoM 0.4.3's bytes")
"""Where two runs have these in common, their outputs are the same bytes."""


def run_junit(record: RunRecord) -> str:
    """Return the document of one run."""
    return junit([run_suite(record)])


def run_suite(record: RunRecord) -> Suite:
    """Return a run's cases; its figures are properties of the suite."""
    place = f"nnom-hil.{record.board}.{record.model}"
    cases = tuple(_cases(record, place))
    if record.error is not None:
        cases = (Case(name="run", classname=place, error=_all(record)), *cases)
    elif record.reasons and not any(case.failure for case in cases):
        cases = (Case(name="run", classname=place, failure=_all(record)), *cases)
    figures = {f.what: f.text for f in facts_of(record) if f.part is not Part.LAYER}
    return Suite(
        name=f"{record.model} on {record.board}",
        cases=cases,
        started=record.started.partition("+")[0],
        properties=figures,
    )


def _all(record: RunRecord) -> str:
    return "\n".join(record.reasons)


def _cases(record: RunRecord, place: str) -> Iterator[Case]:
    failed = record.verdict is not Verdict.PASS
    if record.vectors:
        equal = record.vectors - record.outputs_different
        wrong = f"{equal} of {record.vectors} outputs equal the reference\n{_all(record)}"
        yield Case(
            name="outputs equal the reference",
            classname=place,
            failure=wrong if failed and record.outputs_different else None,
        )
    if record.accuracy is not None and record.min_accuracy is not None:
        share, wanted = record.accuracy.quantised, record.min_accuracy
        low = f"accuracy {percent(share)} is below the required {percent(wanted)}"
        yield Case(
            name="accuracy", classname=place, failure=low if failed and share < wanted else None
        )
    if record.regression is not None and record.max_error is not None:
        error, allowed = record.regression.target.mae, record.max_error
        high = f"mean absolute error {error:.6g} is above the allowed {allowed:g}"
        yield Case(
            name="mean absolute error",
            classname=place,
            failure=high if failed and error > allowed else None,
        )
    for check in record.cross_checks:
        detail = check.detail or "what was printed contradicts what was returned"
        yield Case(
            name=f"printed against returned: {check.what}",
            classname=place,
            failure=None if check.ok else detail,
        )


def comparison_junit(one: RunRecord, other: RunRecord, sides: Sequence[Side]) -> str:
    """Return a case a figure. It fails where outputs differ that must be the same bytes; what
    cannot be compared is skipped; all else may differ, and says so in its properties.
    """
    by_figure = {side.fact.figure: side for side in sides if side.fact.part is not Part.LAYER}
    must_equal = all(
        side is not None and side.relation is Relation.SAME
        for side in map(by_figure.get, _REPEATABLE)
    )
    place = f"nnom-hil.{one.board}.{one.model}"
    cases = []
    for side in sides:
        values = {
            name: "–" if fact is None else fact.text
            for name, fact in (("A", side.one), ("B", side.other))
        }
        wrong = None
        if side.fact.figure == "outputs' hash" and side.relation is Relation.DIFFERS and must_equal:
            wrong = "one model gave different bytes for the same vectors"
        apart = side.why or (str(side.relation) if side.relation is Relation.ONE_SIDED else None)
        cases.append(
            Case(
                name=f"{side.fact.part}: {side.fact.what}",
                classname=place,
                failure=wrong,
                skipped=apart,
                properties=values | ({"change": side.change_text} if side.change_text else {}),
            )
        )
    return junit([Suite(name=f"{one.id} against {other.id}", cases=tuple(cases))])
