"""How long answers take: the retransmission timer of RFC 6298, fed by Karn's rule."""

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["Pace"]

_GRANULARITY_S: Final = 0.003
_MOST_DOUBLINGS: Final = 60
_UNLIKELY: Final = 0.05


@dataclass(slots=True, kw_only=True)
class Pace:
    """Round trips of one kind of frame.

    first_s: the time-out before the first measurement; longest_s: that of any. Only the time from a
    transmission to the answer that names this very transmission may be told (Karn): each has a
    number of its own, so that this is always known.
    """

    first_s: float
    longest_s: float
    mean_s: float | None = None
    spread_s: float = 0.0
    silent: int = 0  # time-outs in a row

    def took(self, seconds: float) -> None:
        """Note a round trip."""
        self.silent = 0
        if self.mean_s is None:
            self.mean_s, self.spread_s = seconds, seconds / 2
            return
        self.spread_s += (abs(seconds - self.mean_s) - self.spread_s) / 4
        self.mean_s += (seconds - self.mean_s) / 8

    def timeout_s(self, lost: float = 0.0) -> float:
        """Return how long to wait for an answer of which the share `lost` never comes.

        Each time-out in a row doubles the next (RFC 6298), as soon as losses alone do not explain
        them: the other side must be slow then.
        """
        explained = math.log(_UNLIKELY) / math.log(lost) if 0.0 < lost < 1.0 else 0.0
        expected = self.first_s
        if self.mean_s is not None:
            expected = self.mean_s + max(_GRANULARITY_S, 4 * self.spread_s)
        doublings = max(0, min(_MOST_DOUBLINGS, self.silent - int(explained)))
        return min(self.longest_s, expected * 2.0**doublings)
