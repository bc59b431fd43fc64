"""Wrong answers of a classification, the most frequent first."""

from dataclasses import dataclass
from typing import Final

from nnom_hil.records import RunRecord

__all__ = ["Mistake", "frequent_mistakes"]

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """So many inputs of class truth were said to be of class said. of: inputs of that class, None
    where the record has no matrix.
    """

    truth: int
    said: int
    count: int
    of: int | None


def frequent_mistakes(record: RunRecord) -> list[Mistake]:
    """Return the most frequent mistakes, at most ten."""
    if record.confusion is None:
        found = [Mistake(truth=t, said=s, count=n, of=None) for t, s, n in record.mistakes]
    else:
        found = [
            Mistake(truth=truth, said=said, count=count, of=sum(row))
            for truth, row in enumerate(record.confusion)
            for said, count in enumerate(row)
            if count and said != truth
        ]
    return sorted(found, key=lambda m: (-m.count, m.truth, m.said))[:_SHOWN]
