"""What a line does to bytes, learnt from the fate of frames, and the slices that suit it."""

import math
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Line", "best_payload", "bytes_per_byte"]

_PRIOR_LOST: Final = 0.1
_PRIOR_BYTES: Final = 4000.0  # that are taken to have arrived before any has
_REMEMBERED: Final = 1024  # lost frames; more, and the oldest half counts half
_SOONEST: Final = 8  # frames between two estimates
_STEPS: Final = 40
_HARDLY_MORE: Final = 1.04
_WORST: Final = 1.0  # errors a byte


def bytes_per_byte(payload: float, overhead: float, rate: float) -> float:
    """Return the bytes that selective repeat sends for each one that it delivers.

    A frame of n + h bytes arrives whole with probability exp(-rate (n + h)), so it is sent
    exp(rate (n + h)) times on average, (n + h) / n bytes for each byte of payload.
    """
    return (payload + overhead) / payload * math.exp(min(700.0, rate * (payload + overhead)))


def best_payload(overhead: float, rate: float) -> float:
    """Return the payload for which bytes_per_byte() is least.

    Its derivative is 0 where n (n + h) = h / rate (J. Schwartz, W. Bux and others on optimal packet
    lengths; it follows by taking the logarithm).
    """
    return (-overhead + math.sqrt(overhead**2 + 4 * overhead / rate)) / 2


@dataclass(slots=True)
class Line:
    """An estimate of the rate at which bytes are damaged, errors a byte.

    Errors are taken to be independent. Of frames that arrived their bytes count; a lost one of n
    bytes has at least one error. The estimate is the likeliest rate, with a weak belief in a good
    line before anything is known.
    """

    arrived: dict[int, int] = field(default_factory=dict)  # frames by size
    lost: dict[int, int] = field(default_factory=dict)
    _rate: float = _PRIOR_LOST / _PRIOR_BYTES
    _news: int = 0
    _known: int = 0
    _sizes: dict[tuple[int, int, int, int], int] = field(default_factory=dict)

    def note(self, size: int, arrived: bool) -> None:
        """Tell what became of a frame of that many bytes."""
        fates = self.arrived if arrived else self.lost
        fates[size] = fates.get(size, 0) + 1
        self._news += 1

    @property
    def rate(self) -> float:
        """Errors a byte, as far as is known."""
        if self._news >= max(_SOONEST, self._known // 8) or (self._news and not self._known):
            self._estimate()
        return self._rate

    @property
    def byte_error(self) -> float:
        """The share of bytes that are damaged."""
        return -math.expm1(-self.rate)

    def survives(self, size: int) -> float:
        """Return the probability that a frame of that many bytes arrives."""
        return math.exp(-min(700.0, self.rate * size))

    def bound(self, overhead: int, longest: int) -> float:
        """Return the least of bytes_per_byte() for payloads of at most `longest`."""
        rate = self.rate
        return bytes_per_byte(min(float(longest), best_payload(overhead, rate)), overhead, rate)

    def slice_size(self, total: int, overhead: int, step: int, longest: int) -> int:
        """Return the size of the slices to cut `total` bytes into, a multiple of step.

        The largest one that costs hardly more bytes than the best: fewer frames cost less time.
        """
        rate = self.rate  # first: it forgets sizes that were for another
        what = (total, overhead, step, longest)
        if what not in self._sizes:
            self._sizes[what] = self._slice_size(rate, *what)
        return self._sizes[what]

    @staticmethod
    def _slice_size(rate: float, total: int, overhead: int, step: int, longest: int) -> int:
        whole = -(-total // step)  # steps
        most = min(max(1, longest // step), whole)
        wish = best_payload(overhead, rate) / step
        few = max(-(-whole // most), math.floor(whole / max(1.0, wish)), 1)
        sizes = {min(most, max(1, round(wish * share))) for share in (0.7, 1.0, 1.2, 1.4, 1.6)}
        sizes |= {-(-whole // count) for count in (few, few + 1)}  # equal ones

        def cost(steps: int) -> float:
            size = min(steps * step, total)
            frames = -(-whole // steps)
            return (total + frames * overhead) * math.exp(min(700.0, rate * (size + overhead)))

        least = min(cost(steps) for steps in sizes)
        return step * max(steps for steps in sizes if cost(steps) <= _HARDLY_MORE * least)

    def _estimate(self) -> None:
        lost_frames = sum(self.lost.values())
        if lost_frames > _REMEMBERED:
            for fates in (self.arrived, self.lost):
                for size in fates:
                    fates[size] //= 2
        good = _PRIOR_BYTES / (1 + lost_frames) + sum(
            size * count for size, count in self.arrived.items()
        )
        low, high = 1e-9, _WORST
        for _ in range(_STEPS):  # what is below 0 is above the likeliest rate
            middle = math.sqrt(low * high)
            slope = _PRIOR_LOST / middle - good
            slope += sum(n * s / math.expm1(middle * s) for s, n in self.lost.items())
            low, high = (middle, high) if slope > 0 else (low, middle)
        self._rate = math.sqrt(low * high)
        self._sizes.clear()
        self._news = 0
        self._known = sum(self.arrived.values()) + sum(self.lost.values())
