"""A search's pure part: chance, levels, front, limits, what vectors are worth, and its report."""

from io import StringIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import binomtest

from nnom_hil.records import Task
from nnom_hil.report.tune import print_tune, tune_files
from nnom_hil.run.judge import Answers, gains
from nnom_hil.run.task import Head, Output, Truth
from nnom_hil.tuning import (
    CHANCE,
    WORTH,
    Conversion,
    Limits,
    Point,
    Score,
    TuneRecord,
    better_by_chance,
    differs,
    front_of,
    levels_of,
)

COSTS = st.tuples(*[st.sampled_from([100.0, 100.2, 101.0, 150.0, 300.0])] * 3)
POINTS = st.lists(st.tuples(st.integers(0, 2), COSTS, st.booleans()), min_size=1, max_size=12)


def point(level: int = 0, costs: tuple[float, ...] = (100.0, 10, 10), **more: Any) -> Point:
    cycles, flash, ram = costs
    known: dict[str, Any] = {"options": {}, "command": "nnom-hil run", "error_percent": 20.0}
    known |= {"choosing": 0.9, "unseen": 0.9}
    return Point(
        **(known | {"level": level, "cycles": cycles, "flash": int(flash), "ram": int(ram)} | more)
    )


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
def test_chance_is_that_of_fair_coins(differences: list[float]) -> None:
    gained = np.array(differences)
    wins, losses = int((gained > 0).sum()), int((gained < 0).sum())
    right = binomtest(wins, wins + losses, alternative="greater").pvalue if wins + losses else 1.0
    assert better_by_chance(gained, np.zeros(len(gained))) == pytest.approx(right)


def test_a_difference_beyond_chance() -> None:
    some = np.array([0.0, 1.0] * 50)
    assert not differs(some, some[::-1])
    assert differs(some + 0.4, some)
    assert not differs(some, some + 0.4)  # it is about more, not less
    assert not differs(some[:1], some)


@given(st.lists(st.lists(st.booleans(), min_size=30, max_size=30), min_size=1, max_size=6))
def test_levels_begin_where_it_is_no_chance(answers: list[list[bool]]) -> None:
    of = {str(i): np.array(row, dtype=float) for i, row in enumerate(answers)}
    levels = levels_of(of)
    best = max(of.values(), key=lambda row: row.mean())
    for name, level in levels.items():
        if level:
            assert better_by_chance(best, of[name]) < CHANCE
        for other, above in levels.items():
            assert level <= above or of[name].mean() <= of[other].mean()


@given(POINTS)
def test_the_front_covers_all_and_nothing_of_it_is_covered(
    drawn: list[tuple[int, tuple[float, ...], bool]],
) -> None:
    points = [
        point(level, costs, trouble="no" if bad else "") for level, costs, bad in drawn
    ]  # fmt: skip
    front = front_of(points)
    able = [i for i, p in enumerate(points) if not p.trouble]
    assert bool(front) == bool(able)

    def covers(one: Point, other: Point) -> bool:
        pairs = zip(one.costs, other.costs, strict=True)
        return one.level <= other.level and all(a <= b * (1 + WORTH) for a, b in pairs)

    for i in front:
        assert i in able
        assert not any(covers(points[j], points[i]) for j in front if j != i)


def test_of_equals_the_default_stays() -> None:
    assert front_of([point(), point(costs=(99.9, 10, 10))]) == (0,)
    assert front_of([point(), point(costs=(90.0, 10, 10))]) == (1,)
    assert front_of([point(1), point(0, (200.0, 10, 10))]) == (0, 1)


def test_limits_tell_what_is_broken() -> None:
    limits = Limits(accuracy=0.95, time_us=50, flash=9, ram=20)
    said = limits.broken_by(point(time_us=60.0))
    assert said == (
        "90.00% right, wanted 95.00%; 60 us (model ±20 %), at most 50; 10 bytes of flash, at most 9"
    )
    assert not Limits(accuracy=0.9, flash=10).broken_by(point())


# ---- what vectors are worth

INT8 = np.array([[10, 20], [30, 5], [0, 64]], dtype=np.int8)
KERAS = np.array([[0.1, 0.2], [0.0, 0.3], [0.0, 0.5]], dtype=np.float32)
ANSWERS = Answers(int8=INT8, keras=KERAS, scale=1 / 128)


@pytest.mark.parametrize(
    ("task", "head", "labels", "gain", "ours", "keras"),
    [
        (Task.CLASSIFICATION, Head.LINEAR, [1, 0, 0], "accuracy", [1, 1, 0], [1, 0, 0]),
        (Task.NONE, Head.SOFTMAX, None, "agreement with float", [1, 0, 1], [1, 1, 1]),
        (Task.MULTI_LABEL, Head.SIGMOID, [[0, 0], [1, 0], [0, 1]], "accuracy", [1, 0.5, 1],
         [1, 0.5, 1]),
        (Task.REGRESSION, Head.LINEAR, [[0.0, 0.0], [0.0, 0.0], [0.0, 0.5]],
         "mean absolute error", [-15 / 128, -17.5 / 128, 0], [-0.15, -0.15, 0]),
        (Task.NONE, Head.LINEAR, None, "mean absolute error",
         [-abs(KERAS[i] - INT8[i] / 128).mean() for i in range(3)], [0, 0, 0]),
    ],
)  # fmt: skip
def test_what_a_vector_is_worth(
    task: Task, head: Head, labels: Any, gain: str, ours: list[float], keras: list[float]
) -> None:
    truth = Truth(task=task, labels=None if labels is None else np.array(labels))
    name, int8, float_ = gains(Output(shape=(2,), head=head), truth, ANSWERS)
    assert name == gain
    assert int8 == pytest.approx(np.array(ours), abs=1e-6)
    assert float_ == pytest.approx(np.array(keras), abs=1e-6)


# ---- the report


def record(**more: Any) -> TuneRecord:
    score = Score(vectors=9, int8=0.9, float_=1.0)
    known: dict[str, Any] = {
        "tool_version": "1",
        "started": "2026-11-29T00:00:00+00:00",
        "model": "<script>alert(1)</script>\x1b[31m",
        "board": "stm32f4",
        "seed": 0,
        "gain": "accuracy",
        "limits": Limits(),
        "vectors": {"choosing": 9, "unseen": 9, "calibration": 9},
        "conversions": (
            Conversion(options={}, choosing=score, unseen=score, overfits=True),
            Conversion(options={"method": "kld"}, trouble="no <b>room</b>"),
        ),
        "points": (
            point(costs=(1000.0, 2048, 1024), error_percent=20.0),
            point(costs=(800.0, 1024, 1024), options={"optimise": "os"}, error_percent=21.0,
                  run="r 1", equal=True),
            point(options={"layout": "chw"}, trouble="does not fit"),
        ),
        "front": (1,),
        "planned": 4,
    }  # fmt: skip
    return TuneRecord(**(known | more))


def printed(what: TuneRecord) -> str:
    console = Console(width=80, record=True, file=StringIO())
    print_tune(what, console)
    return console.export_text()


def test_the_report_tells_the_front_and_what_is_to_be_known() -> None:
    text = printed(record())
    for expected in (
        "the default (beaten)", "20.0% fewer cycles, 50.0% flash", "model ±21 %",
        "the default overfits: unseen 90.00 %, float 100.00 %",
        "left out: layout chw: does not fit", "3 of 4 ways were measured; --trials 4",
        "1 of 3 ways, 2 conversions are on the front",
    ):  # fmt: skip
        assert expected in text
    assert "FAIL: nothing keeps the limits" in printed(record(front=()))
    page = tune_files(record())["report.html"]
    assert "<script>alert" not in page
    assert "<b>room" not in page
    assert 'href="runs/r%201/report.html"' in page
    assert page.count("<svg") >= 3


def test_errors_are_told_as_errors() -> None:
    less = point(error_percent=20.0, unseen=-0.125)
    said = printed(record(gain="mean absolute error", points=(less,), front=(0,), planned=1))
    assert "0.125" in said
    assert "-0.125" not in said
