"""What is put over commits: which runs are alike, what is one point, what changed."""

from typing import Any

from tests.support.runs import document

from nnom_hil.history.columns import COLUMNS, values_of
from nnom_hil.history.trends import Trend, trends
from nnom_hil.records import RunRecord


def row(number: int, **facts: Any) -> dict[str, Any]:
    """A row as the history has it."""
    record = RunRecord.model_validate(document(number, **facts))
    names = [column.name for column in COLUMNS]
    return {**dict(zip(names, values_of(record), strict=True)), "folder": record.id}


def of(rows: list[dict[str, Any]]) -> Trend:
    (trend,) = trends(rows, most=100)
    return trend


def values(trend: Trend, column: str, source: str | None = None) -> tuple[float | None, ...]:
    return next(
        series.values for series in trend.series
        if (series.figure.column, series.source) == (column, source)
    )  # fmt: skip


def changed(trend: Trend) -> list[tuple[str, int, float, float]]:
    return [(c.figure.column, c.point, c.before, c.after) for c in trend.changes]


def test_points_are_commits_and_runs_of_changed_files() -> None:
    trend = of([
        row(1, commit="a"), row(2, commit="a"), row(3, commit="a+changes"),
        row(4, commit="a+changes"), row(5, commit=None), row(6, commit=None), row(7, commit="b"),
    ])  # fmt: skip
    assert [point.row["id"][-1] for point in trend.points] == ["2", "3", "4", "5", "6", "7"]
    assert trend.changes == []


def test_one_commit_whose_figures_differ_is_two_points_and_says_why() -> None:
    old, new = {"compiler": "gcc 12.2"}, {"compiler": "gcc 14.1"}
    trend = of([
        row(1, commit="a", tools=old), row(2, commit="a", tools=new, total_instructions=800_000),
    ])  # fmt: skip
    assert len(trend.points) == 2
    (change,) = trend.changes
    assert (
        change.also
        == (("compiler", "gcc 12.2", "gcc 14.1"), ("nnom-hil", "unknown", "unknown"))[:1]
    )
    assert not change.is_better


def test_exact_figures_change_by_more_than_their_gate_allows() -> None:
    rows = [row(1), row(2, total_instructions=706_000), row(3, total_instructions=708_000),
        row(4, total_cycles=1_030_000.0), row(5, flash_bytes=60_500, ram_bytes=30_000)]  # fmt: skip
    trend = of(rows)
    assert changed(trend) == [
        ("cycles", 4, 1_030_000.0, 1_000_000.0), ("ram", 4, 22_000, 30_000),
        ("instructions", 3, 708_000, 700_000), ("cycles", 3, 1_000_000.0, 1_030_000.0),
        ("instructions", 2, 706_000, 708_000),
    ]  # fmt: skip
    better = {(c.figure.column, c.point): c.is_better for c in trend.changes}
    assert better["cycles", 4]
    assert not better["ram", 4]


def test_an_interrupt_at_the_deepest_place_is_no_change() -> None:
    """Stack, and RAM with it, differ by some bytes between runs of one image."""

    def used(number: int, more: int) -> dict[str, Any]:
        memory = {
            "flash": 1,
            "flash_available": 2,
            "ram_static": 1,
            "ram_heap": 1,
            "ram_stack": 1000 + more,
            "ram_available": 9,
            "blocks": [],
            "network_buffers": 1,
        }
        return row(number, commit=f"{number // 2}", ram_bytes=4000 + more, memory=memory)

    trend = of([used(0, 0), used(1, 64), used(2, 16), used(3, 0), used(4, 70)])
    assert len(trend.points) == 3
    assert values(trend, "stack") == (1032, 1008, 1070)
    assert trend.changes == []
    assert [c.point for c in of([used(0, 0), used(2, 75)]).changes] == [1]  # 1 % and 64 bytes


def test_accuracy_is_better_when_it_is_more_and_any_loss_is_a_change() -> None:
    accuracy = {"float": 1.0, "quantised": 0.7499, "top_k": [0.7499]}
    trend = of([row(1), row(2, accuracy=accuracy), row(3)])
    assert [(c.before, c.after, c.is_better) for c in trend.changes] == [
        (0.7499, 0.75, True), (0.75, 0.7499, False),
    ]  # fmt: skip


def test_cycles_of_other_sources_are_other_rows() -> None:
    counted = {"time_source": "dwt", "error_percent": None, "total_instructions": None}
    trend = of([row(1), row(2, **counted, total_cycles=5.0), row(3)])
    assert values(trend, "cycles", "model") == (1e6, None, 1e6)
    assert values(trend, "cycles", "dwt") == (None, 5.0, None)
    assert values(trend, "flash") == (60_000, 60_000, 60_000)
    assert trend.changes == []
    titles = [series.title for series in trend.series if series.figure.column == "cycles"]
    assert titles == ["Cycles per inference (dwt)", "Cycles per inference (model)"]


def test_cycles_that_scatter_are_put_together_and_tested() -> None:
    def counted(number: int, cycles: float) -> dict[str, Any]:
        return row(number, commit=f"{number // 3:x}", time_source="dwt", error_percent=None,
            total_instructions=None, total_cycles=cycles)  # fmt: skip

    some = [1000.0 + 3 * (i % 3) for i in range(36)] + [1100.0 + 3 * (i % 3) for i in range(36)]
    trend = of([counted(i, cycles) for i, cycles in enumerate(some)])
    assert values(trend, "cycles", "dwt")[11:13] == (1003.0, 1103.0)  # medians of three
    assert changed(trend) == [("cycles", 12, 1003.0, 1103.0)]


def test_outlier_of_cycles_that_scatter_is_no_change() -> None:
    """What is exact would have changed twice; and a place counts points without a figure, too."""
    counted = {"time_source": "dwt", "error_percent": None, "total_instructions": None}
    some = [1000.0] * 12 + [5000.0] + [1000.0] * 11
    rows = [row(i, **counted, total_cycles=cycles) for i, cycles in enumerate(some)]
    assert of(rows).changes == []
    assert len(of([row(i, total_cycles=cycles) for i, cycles in enumerate(some)]).changes) == 2
    mixed = [row(i) for i in range(5)] + [
        row(5 + i, **counted, total_cycles=1000.0 + 500 * (i >= 8)) for i in range(16)
    ]
    assert changed(of(mixed)) == [("cycles", 13, 1000.0, 1500.0)]


def test_other_numbers_of_vectors_are_another_trend() -> None:
    """Their accuracies are of other vectors."""
    some = {"vectors": 2, "vectors_planned": 2}
    found = trends([row(1), row(2, **some), row(3)], most=9)
    assert [len(trend.points) for trend in found] == [2, 1]


def test_runs_that_were_asked_for_otherwise_are_another_trend() -> None:
    plain = {"kernels": {"conv_s8": "plain"}, "total_instructions": 2_000_000}
    found = trends([row(1), row(2, **plain), row(3), row(4, **plain), row(5)], most=100)
    assert [trend.way for trend in found] == [
        "mse, per channel, kernels dsp plain, 4 vectors",
        "mse, per channel, kernels plain, 4 vectors",
    ]
    assert [len(trend.points) for trend in found] == [3, 2]
    assert [trend.changes for trend in found] == [[], []]


def test_runs_that_were_broken_off_are_left_out() -> None:
    broken = {"verdict": "error", "error": {"kind": "E", "message": "m"}, "reasons": ["m"],
        "accuracy": {"float": 1, "quantised": 0, "top_k": []}}  # fmt: skip
    assert trends([row(1, **broken)], most=9) == []
    assert of([row(1), row(2, **broken), row(3)]).changes == []


def test_newest_points_are_kept() -> None:
    (trend,) = trends([row(i) for i in range(20)], most=5)
    assert [point.row["id"] for point in trend.points] == [f"run-{i:05d}" for i in range(15, 20)]
