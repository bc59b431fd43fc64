"""A search for the best way to convert and build a model: points, their front, record; pure.

A point is one set of options of a run. It is judged by data that chose no format of its own, and
told with data that chose nothing at all.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from nnom_hil.matrix import Value
from nnom_hil.times import TimeSource

__all__ = [
    "CHANCE",
    "PARTS",
    "TUNE_SCHEMA",
    "WORTH",
    "Conversion",
    "Limits",
    "Point",
    "Score",
    "TuneRecord",
    "better_by_chance",
    "differs",
    "front_of",
    "levels_of",
]

TUNE_SCHEMA: Final = "nnom-hil/tune/1"
PARTS: Final = ("choosing", "unseen", "calibration")
"""Of the vectors, in the order in which a search has them."""
WORTH: Final = 0.005
"""Share of cycles or bytes below which two points cost the same."""
CHANCE: Final = 0.05
"""How likely chance may be to explain a difference that counts."""
_Z95: Final = 1.959964

Gains = npt.NDArray[np.float64]
"""What each vector of a set is worth: 1 for a right answer, or less the size of its error."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Score(_Document):
    """Mean gain of a set of vectors, of int8 and of the float model."""

    vectors: int
    int8: float
    float_: Annotated[float, Field(alias="float")]


class Conversion(_Document):
    """One way to convert. choosing: of the vectors that choose; calibration, unseen: of others.

    chance: how likely chance alone is to make it this much better than the first way of its kind.
    overfits: it loses more of the float model's gain on unseen vectors than on those of the
    calibration, beyond chance. trouble: why it cannot be.
    """

    options: dict[str, Value]
    choosing: Score | None = None
    calibration: Score | None = None
    unseen: Score | None = None
    chance: float | None = None
    overfits: bool = False
    trouble: str = ""


class Point(_Document):
    """One way to convert and build. cycles: estimated, within error_percent. choosing, unseen: of
    its conversion. level: 0 of the best conversions, more of those that are worse beyond chance.
    run: the folder of the run that checked it on an emulator; equal: whether its outputs were the
    reference's. trouble: why it cannot be, or what it breaks.
    """

    options: dict[str, Value]
    command: str
    choosing: float | None = None
    unseen: float | None = None
    level: int = 0
    cycles: float | None = None
    time_us: float | None = None
    time_source: TimeSource = TimeSource.MODEL
    error_percent: float | None = None
    flash: int | None = None
    ram: int | None = None
    run: str | None = None
    equal: bool | None = None
    trouble: str = ""

    @property
    def source(self) -> str:
        """Where its cycles come from, and how far off they may be."""
        error = "" if self.error_percent is None else f" ±{self.error_percent:.3g} %"
        return f"{self.time_source.words}{error}"

    @property
    def costs(self) -> tuple[float, float, float]:
        """Cycles, flash and RAM; of a point without trouble."""
        assert self.cycles is not None
        assert self.flash is not None
        assert self.ram is not None
        return self.cycles, float(self.flash), float(self.ram)


class Limits(_Document):
    """What a user can spend, and must have; of the choosing vectors."""

    accuracy: float | None = None
    time_us: float | None = None
    flash: int | None = None
    ram: int | None = None

    def broken_by(self, point: Point) -> str:
        """Return what a point breaks, in words; nothing where it keeps all."""
        found = []
        if self.accuracy is not None and (point.choosing or 0.0) < self.accuracy:
            found.append(f"{point.choosing or 0.0:.2%} right, wanted {self.accuracy:.2%}")
        for name, limit, unit in (
            ("time_us", self.time_us, f"us ({point.source})"),
            ("flash", self.flash, "bytes of flash"),
            ("ram", self.ram, "bytes of RAM"),
        ):
            value = getattr(point, name)
            if limit is not None and value is not None and value > limit:
                found.append(f"{value:.0f} {unit}, at most {limit:g}")
        return "; ".join(found)


class TuneRecord(_Document):
    """What a search found. gain: what a score is. points[0]: the default. front: places in points.

    complete: every point of the plan was measured.
    """

    schema_: Annotated[Literal["nnom-hil/tune/1"], Field(alias="schema")] = TUNE_SCHEMA
    tool_version: str
    started: str
    model: str
    board: str
    seed: int
    gain: str
    limits: Limits
    vectors: dict[str, int]
    conversions: tuple[Conversion, ...]
    points: tuple[Point, ...]
    front: tuple[int, ...]
    planned: int
    command: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every point of the plan was measured."""
        return len(self.points) >= self.planned

    def to_json(self) -> str:
        """Return the record as JSON text."""
        document = self.model_dump(mode="json", by_alias=True)
        return json.dumps(document, sort_keys=True, indent=1) + "\n"


def better_by_chance(gains: Gains, first: Gains) -> float:
    """Return how likely fair coins are to favour `gains` as often, over the same vectors.

    The one-sided sign test: vectors where both gain the same say nothing.
    """
    wins, losses = int((gains > first).sum()), int((gains < first).sum())
    trials = wins + losses
    return float(sum(math.comb(trials, k) for k in range(wins, trials + 1)) / 2**trials)


def differs(lost: Gains, other: Gains) -> bool:
    """Return whether the mean of `lost` is above that of other vectors, beyond chance.

    Welch's test at 95 %, two-sided, by the normal distribution.
    """
    if len(lost) < 2 or len(other) < 2:
        return False
    error = math.sqrt(lost.var(ddof=1) / len(lost) + other.var(ddof=1) / len(other))
    return bool(lost.mean() - other.mean() > _Z95 * error)


def levels_of(gains: Mapping[str, Gains]) -> dict[str, int]:
    """Return the level of each conversion, by the choosing vectors; 0 is the best.

    From the best mean on, one that is worse than the first of a level, beyond chance at 5 %, begins
    the next.
    """
    levels: dict[str, int] = {}
    first, level = None, -1
    for name, own in sorted(gains.items(), key=lambda item: -float(item[1].mean())):
        if first is None or better_by_chance(first, own) < CHANCE:
            first, level = own, level + 1
        levels[name] = level
    return levels


def front_of(points: Sequence[Point]) -> tuple[int, ...]:
    """Return the places of the points that no other beats, in their order.

    One beats another whose level is no better and whose costs are no less; costs that are nearer
    than WORTH are the same. Of points that are as good the first stays.
    """
    able = [i for i, point in enumerate(points) if not point.trouble]
    kept: list[int] = []
    for i in sorted(able, key=lambda i: (i > 0, points[i].level, *points[i].costs, i)):
        if any(_covers(points[j], points[i]) for j in kept):
            continue
        kept = [j for j in kept if not _covers(points[i], points[j])] + [i]
    return tuple(sorted(kept))


def _covers(one: Point, other: Point) -> bool:
    """Whether one is at least as good in everything."""
    return one.level <= other.level and _no_more(one.costs, other.costs)


def _no_more(costs: Iterable[float], others: Iterable[float]) -> bool:
    return all(a <= b * (1 + WORTH) for a, b in zip(costs, others, strict=True))
