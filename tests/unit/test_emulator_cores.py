"""An emulator's threads share a core that no other emulator of ours has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnom_hil.target.cores import CoreLock, starting_on

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores",
)
WHERE = "import os; print(os.sched_getaffinity(0), os.sched_getscheduler(0) == os.SCHED_BATCH)"


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNOM_HIL_LOCKS", str(tmp_path))


def test_a_child_stays_on_the_core_and_we_do_not() -> None:
    core = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0), os.sched_getscheduler(0)
    with starting_on(core):
        said = subprocess.run(
            [sys.executable, "-c", WHERE], capture_output=True, text=True, check=True
        )
    assert said.stdout == f"{{{core}}} True\n"
    assert (os.sched_getaffinity(0), os.sched_getscheduler(0)) == before


def test_emulators_get_different_cores_as_long_as_there_are_some() -> None:
    cores = os.sched_getaffinity(0)
    locks = [CoreLock() for _ in cores]
    assert {lock.core for lock in locks} == cores
    one_more = CoreLock()
    assert one_more.core in cores
    locks[0].release()
    assert CoreLock().core == locks[0].core


def test_without_a_place_for_locks_any_core_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNOM_HIL_LOCKS", str(tmp_path / "none"))
    assert CoreLock().core in os.sched_getaffinity(0)


def test_a_single_core_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert CoreLock().core is None
