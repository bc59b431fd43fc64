"""What a run makes of answers that no sound firmware gives."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.random_graphs import random_graph

from nnom_hil.boards import Cpu
from nnom_hil.build import Library
from nnom_hil.errors import TargetError
from nnom_hil.link.messages import Hello, LayerTimes
from nnom_hil.records import RunRecord, Task, Verdict
from nnom_hil.run.findings import Findings, cross_check, make_record
from nnom_hil.run.plan import Plan
from nnom_hil.run.runner import _check_model
from nnom_hil.times import Clock, TimeSource

GRAPH = random_graph(1)


def plan() -> Plan:
    clock = SimpleNamespace(core_hz=16_000_000)
    core = SimpleNamespace(cpu=Cpu.CORTEX_M4)
    stub: Any = SimpleNamespace(
        board=SimpleNamespace(name="b", title="t", clock=clock, core=core),
        model_name="m",
        prepared=SimpleNamespace(truth=SimpleNamespace(task=Task.NONE)),
        compat=False,
        min_accuracy=None,
        max_error=None,
        faults=None,
        library=Library(),
        header=SimpleNamespace(tells_formats=True),
        command=("nnom-hil", "run"),
        commit=None,
        conversion=None,
    )
    return cast(Plan, stub)


def timed(*statuses: int) -> Findings:
    """Runs that ended so; of one that failed there are no layers' times."""
    whole = (16,) * len(GRAPH.nodes)
    times = [LayerTimes(status=s, ticks=() if s else whole) for s in statuses]
    return Findings(clock=Clock(source=TimeSource.SYSTICK, hz=16_000_000), times=times)


def record(found: Findings) -> RunRecord:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    return make_record(plan(), found, run_id="r", started=started, console="", trouble=None)


def test_timing_runs_that_end_in_an_error_fail_the_run() -> None:
    """Times alone may be what is asked for, and no vector tells of the error then."""
    assert record(timed(0, 0)).verdict is Verdict.PASS
    failed = record(timed(0, -3, -3))
    assert failed.verdict is Verdict.FAIL
    assert failed.reasons == ("NNoM returned error -3 in 2 of 3 timing runs",)


def test_what_an_emulator_warned_of_is_told_of_runs_that_fail() -> None:
    for statuses, told in (((0,), ()), ((0, -3), ("its log",))):
        found = timed(*statuses)
        found.heard = ["its log"]
        assert record(found).reasons[1:] == told


def test_tables_of_a_run_that_failed_are_compared_all_the_same() -> None:
    found = timed(0, -3)
    found.prepared = cast(Any, SimpleNamespace(graph=GRAPH))
    cross_check(plan(), found, [""])
    assert {check.ok for check in found.checks} == {False}
    layers = len(GRAPH.nodes)
    assert f"the target timed 0 layers of {layers}" in [check.detail for check in found.checks]


@pytest.mark.parametrize("hz", [0, 999_999, 1_500_000])
def test_clock_that_no_microsecond_fits_is_refused(hz: int) -> None:
    hello = cast(Hello, SimpleNamespace(model_ready=True, tick_hz=hz))
    with pytest.raises(TargetError, match=f"counts {hz} ticks a second.*build and flash it again"):
        _check_model(hello, GRAPH, plan(), "")
