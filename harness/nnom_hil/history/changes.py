"""Where a row of figures changes: for good, not for one run; pure.

Figures that repeat exactly change where they change (steps). Of measured ones, which scatter, a
change is where Pettitt's test finds one, the test applied to both sides again (change_points).
"""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

__all__ = ["change_points", "steps"]

_LEVEL: Final = 0.05
"""Of significance: how often the test may see a change in scatter alone."""


def steps(values: Sequence[float], allowed: float, slack: float = 0.0) -> list[int]:
    """Return where exact figures become others: more than a share of the last level away.

    allowed: a share, such as 0.01; 0 takes any difference. slack: what they may differ by beside
    that. The level is the first value of its stretch, so that many small changes in one direction
    are seen when together they are more.
    """
    found: list[int] = []
    for i, value in enumerate(values):
        if i == 0:
            level = value
        elif _differ(value, level, allowed, slack):
            found.append(i)
            level = value
    return found


def change_points(values: Sequence[float], allowed: float) -> list[int]:
    """Return where measured figures change, in order.

    By Pettitt's test (A. N. Pettitt, "A non-parametric approach to the change-point problem",
    Applied Statistics 28, 1979) with binary segmentation: the most likely place splits the row
    where it is significant at 5 %, and where the medians of its sides are more than the allowed
    share apart; then each side is looked at. Ranks alone count, so that no outlier decides. Fewer
    than eleven values show nothing.
    """
    found: list[int] = []
    open_ = [(0, len(values))]
    while open_:
        start, end = open_.pop()
        part = values[start:end]
        place = _pettitt(part)
        if place is None or not _differ(median(part[place:]), median(part[:place]), allowed):
            continue
        found.append(start + place)
        open_ += [(start, start + place), (start + place, end)]
    return sorted(found)


def _differ(value: float, level: float, allowed: float, slack: float = 0.0) -> bool:
    return abs(value - level) > allowed * abs(level) + slack


def _pettitt(values: Sequence[float]) -> int | None:
    """Return where the second part begins, None where no split is significant."""
    n = len(values)
    rank_sum, most, place = 0.0, 0.0, None
    for t, rank in enumerate(_ranks(values)[:-1], start=1):
        rank_sum += rank
        if (statistic := abs(2 * rank_sum - t * (n + 1))) > most:
            most, place = statistic, t
    if place is None or 2 * math.exp(-6 * most**2 / (n**3 + n**2)) > _LEVEL:
        return None
    return place


def _ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for i in order[first : last + 1]:
            ranks[i] = (first + last) / 2 + 1
        first = last + 1
    return ranks
