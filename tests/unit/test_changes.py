"""Where rows of figures change: exact ones and measured ones."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnom_hil.history import change_points, steps


@pytest.mark.parametrize(
    ("values", "allowed", "found"),
    [
        ([], 0, []),
        ([5], 0, []),
        ([5, 5, 6, 6, 5], 0, [2, 4]),
        ([1000, 1010, 1011, 1001], 0.01, [2]),  # 1001 is 10 away from 1011, less than 1 %
        ([1000, 1006, 1012, 1018, 1024], 0.01, [2, 4]),  # each small, together more than allowed
        ([1000, 989], 0.01, [1]),  # better is a change, too
        ([0, 0, 1, 0], 0.01, [2, 3]),
        ([0.99, 0.99, 0.98], 0.0, [2]),
    ],
)
def test_exact_figures_change_beyond_what_is_allowed(
    values: list[float], allowed: float, found: list[int]
) -> None:
    assert steps(values, allowed) == found


def test_slack_comes_beside_what_is_allowed() -> None:
    assert steps([1000, 1074, 1075], 0.01, 64) == [2]
    assert steps([1000, 1064, 1065], 0, 64) == [2]


def noise(n: int, level: float, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [level * (1 + rng.gauss(0, 0.002)) for _ in range(n)]


def test_change_of_measured_figures_is_found_where_it_is() -> None:
    assert change_points(noise(20, 100, 1) + noise(20, 103, 2), 0.01) == [20]
    three = noise(20, 100, 3) + noise(20, 110, 4) + noise(20, 105, 5)
    assert change_points(three, 0.01) == [20, 40]


def test_scatter_and_outliers_are_no_change() -> None:
    wrong = sum(bool(change_points(noise(40, 100, seed), 0.01)) for seed in range(200))
    assert wrong == 0  # what the test takes for a change is less than 1 % here
    assert sum(bool(change_points(noise(40, 100, seed), 0)) for seed in range(200)) <= 20
    values = noise(40, 100, 1)
    values[20] = 500
    assert change_points(values, 0.01) == []


def test_small_changes_are_left_alone_where_they_are_allowed() -> None:
    row = [100.0] * 20 + [101.0] * 20
    assert change_points(row, 0.02) == []
    assert change_points(row, 0.005) == [20]


def test_few_values_show_nothing() -> None:
    """As the documentation says: eleven are needed."""
    assert change_points([1.0] * 5 + [2.0] * 5, 0) == []
    assert change_points([1.0] * 5 + [2.0] * 6, 0) == [5]


@given(st.lists(st.floats(min_value=0, max_value=1e9), max_size=60), st.floats(0, 1))
def test_places_are_inside_and_in_order(values: list[float], allowed: float) -> None:
    for found in (steps(values, allowed), change_points(values, allowed)):
        assert found == sorted(set(found))
        assert all(0 < place < len(values) for place in found)


@given(st.floats(min_value=0, max_value=1e9), st.integers(0, 60))
def test_what_stays_has_no_changes(value: float, n: int) -> None:
    assert steps([value] * n, 0) == change_points([value] * n, 0) == []
