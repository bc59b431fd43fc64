"""Two runs' figures side by side: what is the same, what differs, what may not be compared."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nnom_hil.errors import UsageError
from nnom_hil.records import RunRecord
from nnom_hil.report.facts import Fact, Part, facts_of
from nnom_hil.times import check_comparable

__all__ = ["Relation", "Side", "compare"]


class Relation(StrEnum):
    """What two runs' values of a figure are to each other."""

    SAME = "same"
    DIFFERS = "differs"
    ONE_SIDED = "one has none"
    APART = "not comparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A figure of two runs, None where one has none. why: they cannot be compared, else empty."""

    one: Fact | None
    other: Fact | None
    relation: Relation
    why: str = ""

    @property
    def fact(self) -> Fact:
        """Either of them, for what both have: part, name, figure and unit."""
        found = self.one or self.other
        assert found is not None
        return found

    @property
    def change(self) -> float | None:
        """The other's value over the one's, less 1; None of what is no ratio, or not comparable."""
        if self.relation is Relation.APART or self.one is None or self.other is None:
            return None
        before, after = self.one.value, self.other.value
        if isinstance(before, str) or isinstance(after, str) or not before or after is None:
            return None
        return after / before - 1

    @property
    def change_text(self) -> str:
        """The change in words, empty where both are the same."""
        if self.relation is not Relation.DIFFERS:
            return "" if self.relation is Relation.SAME else str(self.relation)
        return "differs" if self.change is None else f"{100 * self.change:+.2f} %"


_OF_THE_MOMENT: Final = {Part.LINK}
"""What differs from one run to the next without meaning anything."""


def compare(one: RunRecord, other: RunRecord) -> list[Side]:
    """Return the figures of two runs side by side, in the order of a report.

    Layers are put together by name, those of one name in order. Times of different sources, or of
    unknown clocks, stand there without being compared.
    """
    sides = []
    left, right = _keyed(facts_of(one)), _keyed(facts_of(other))
    for key in _merged(list(left), list(right)):
        sides.append(_side(left.get(key), right.get(key)))
    return sides


_Key = tuple[Part, str, str, int]


def _keyed(facts: list[Fact]) -> dict[_Key, Fact]:
    keyed: dict[_Key, Fact] = {}
    seen: Counter[tuple[Part, str, str]] = Counter()
    for fact in facts:
        if fact.part in _OF_THE_MOMENT or fact.figure == "run":
            continue
        key = (fact.part, fact.name, fact.figure)
        keyed[*key, seen[key]] = fact
        seen[key] += 1
    return keyed


def _merged(left: list[_Key], right: list[_Key]) -> list[_Key]:
    """Return the keys of both, part by part; what only the right has follows its neighbour."""
    order = {part: number for number, part in enumerate(Part)}
    places = {key: float(number) for number, key in enumerate(left)}
    last = -1.0
    for number, key in enumerate(right):
        if key in places:
            last = places[key]
        else:
            places[key] = last + (number + 1) / (2 * len(right) + 2)
    return sorted(places, key=lambda key: (order[key[0]], places[key]))


def _side(one: Fact | None, other: Fact | None) -> Side:
    if one is None or other is None:
        return Side(one=one, other=other, relation=Relation.ONE_SIDED)
    if one.source is not None and other.source is not None:
        try:
            check_comparable(one.source, other.source)
        except UsageError as exc:
            return Side(one=one, other=other, relation=Relation.APART, why=str(exc))
    same = one.value == other.value
    return Side(one=one, other=other, relation=Relation.SAME if same else Relation.DIFFERS)
