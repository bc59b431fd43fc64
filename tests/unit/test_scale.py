"""The simulated farm: nothing is lost or counted twice; docs/scale.md is what it says."""

import os
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import scale
from tests.support.scale import CASES, Farm, simulate

SMALL = Farm(boards=8, desks=3, cells=120, images=10, models=1, libraries=1)


@settings(max_examples=25)
@given(
    boards=st.integers(1, 12),
    cells=st.integers(1, 60),
    fails=st.sampled_from([0.0, 0.1, 0.6]),
    copies=st.booleans(),
    seed=st.integers(0, 99),
)
def test_nothing_is_lost_or_counted_twice(
    boards: int, cells: int, fails: float, *, copies: bool, seed: int
) -> None:
    farm = replace(SMALL, boards=boards, cells=cells, board_fails=fails, seed=seed)
    farm = replace(farm, straggler=0.3, late_copies=copies)
    found = simulate(farm)
    assert found.ended + found.given_up == cells
    assert found.again >= 2 * found.given_up
    assert found.sent_bytes <= 10 * 3 * (farm.image_bytes + farm.model_bytes)
    if not fails:
        assert found.given_up == 0
    assert max(found.builders, found.client, found.scheduler, found.network) <= 1
    assert simulate(farm) == found


def test_no_farm_is_faster_than_its_slowest_part() -> None:
    sound = replace(SMALL, board_fails=0.0, worker_fails_per_h=0.0)
    slow_line = simulate(replace(sound, network_bytes_s=1e4))
    for found, least_s in (
        (simulate(replace(sound, builders=1, build_s=60.0, images=100)), 100 * 60),
        (simulate(replace(sound, client_s=20.0)), 120 * 20),
        (simulate(replace(sound, scheduler_s=20.0)), 120 * 20),
        (slow_line, (slow_line.sent_bytes + slow_line.returned_bytes) / 1e4),
        (simulate(replace(sound, boards=1, straggler=0.0, cell_spread=0.0)), 120 * 28),
    ):
        assert least_s <= 3600 * found.hours <= 1.5 * least_s + 300


def test_late_copies_shorten_the_tail_of_slow_boards() -> None:
    slow = replace(SMALL, straggler=0.25, straggler_factor=50.0)
    found, again = simulate(slow), simulate(replace(slow, late_copies=True))
    assert again.tail_s < found.tail_s
    assert again.copies > 0
    assert again.ended == 120


def test_figures_of_the_document_are_those_of_the_command() -> None:
    text = scale.DOC.read_text()
    made = text.split(scale.BEGIN)[1].split(scale.END)[0]
    if "NNOM_HIL_NIGHTLY" in os.environ:
        assert scale.document(text, scale.tables()) == text
        return
    name = "10 boards, 1,000 cells"
    for line in scale._lines({name: simulate(CASES[name])}):
        assert line in made
    assert re.findall(r"^\| (.*?) \|", made, re.M)[1 : 1 + len(CASES)] == list(CASES)


@pytest.mark.parametrize("name", ["client_s", "scheduler_s", "image_bytes", "build_s", "cell_s"])
def test_document_says_the_parameters(name: str) -> None:
    value = getattr(Farm(), name)
    assert re.search(rf"`{name}` \| {re.escape(f'{value:,}')} \|", scale.DOC.read_text())
