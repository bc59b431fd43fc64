"""How long answers take: the retransmission timer of RFC 6298, fed by Karn's rule."""

from dataclasses import dataclass
from typing import Final

__all__ = ["Pace"]

_GRANULARITY_S: Final = 0.001
_MOST_BACKOFFS: Final = 60


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

        Each time-out in a row lengthens the next: to the double where answers are not lost, so that
        the other side must be slow; by less where they are.
        """
        expected = self.first_s
        if self.mean_s is not None:
            expected = self.mean_s + max(_GRANULARITY_S, 4 * self.spread_s)
        return min(self.longest_s, expected * (2.0 - lost) ** min(self.silent, _MOST_BACKOFFS))
