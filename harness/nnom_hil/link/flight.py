"""What is on its way: credit, and the fate of every transmission, from what the target answers.

A link keeps the order of what it carries. So an answer to one frame says of all that were sent
before it that the target has taken them in, or that they were lost.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

__all__ = ["MOST_FRAMES", "Flight", "Sent"]

MOST_FRAMES: Final = 96
"""With as many polls as there is a reserve for, fewer than half of the numbers that a byte has."""

_MOST_NUMBERS: Final = 127
_NUMBERS: Final = 256
_RESERVE_SHARE: Final = 8
_RESERVE_BYTES: Final = 320


@dataclass(slots=True)
class Sent:
    """One transmission. order: counted from 0; its number on the wire is the last byte of it.

    end: all bytes sent when it had gone. base: of a poll, the oldest transmission that it asks for.
    """

    order: int
    size: int
    end: int
    at_s: float
    tag: int = -1  # of the vector that it is of; -1: none
    part: int = 0  # which granules of it, a bit each
    asks: bool = False  # for a result
    base: int = -1


@dataclass(slots=True)
class Flight:
    """Transmissions of one stream: slices of vectors, asks for results, polls.

    window: bytes that the target's receive ring holds; never more are under way. A part of it is
    kept for polls, which tell what has become of the rest.
    """

    window: int
    open: deque[Sent] = field(default_factory=deque)  # slices and asks of unknown fate, in order
    echoed: int = -1  # the newest one that the target is known to have come to
    next: int = 0
    sent_bytes: int = 0
    taken_bytes: int = 0  # that have left the ring, or never came
    polled: int = -1  # the newest poll
    repeated: int = -1  # a poll that went more than once: its time tells nothing (Karn)
    _by_number: dict[int, Sent] = field(default_factory=dict)

    @property
    def under_way(self) -> int:
        """Bytes that may be in the target's ring or on their way to it."""
        return self.sent_bytes - self.taken_bytes

    def has_room(self, size: int) -> bool:
        """Whether a frame of that many bytes may be sent."""
        reserve = min(self.window // _RESERVE_SHARE, _RESERVE_BYTES)
        fits = self.under_way + size <= self.window - reserve
        return fits and self._frames < MOST_FRAMES

    def has_room_for_poll(self, size: int) -> bool:
        """Whether a poll may be sent, which may use the reserve."""
        return self.under_way + size <= self.window and self._frames < _MOST_NUMBERS

    @property
    def _frames(self) -> int:
        """Numbers from the oldest one that is of use to the next."""
        oldest = self.open[0].order if self.open else self.next
        return self.next - min(oldest, self.echoed + 1)

    def add(self, sent: Sent) -> None:
        """Note a transmission that has gone."""
        self.next = sent.order + 1
        self.sent_bytes = sent.end
        self._by_number[sent.order % _NUMBERS] = sent
        if sent.base >= 0:
            self.polled = sent.order
        else:
            self.open.append(sent)

    def forget(self, tag: int) -> list[Sent]:
        """Take out what was of that vector; its fate does not matter any more, or is known."""
        mine = [sent for sent in self.open if sent.tag == tag]
        self.open = deque(sent for sent in self.open if sent.tag != tag)
        return mine

    def took(self, end: int) -> None:
        """Note that so many bytes have left the ring."""
        self.taken_bytes = max(self.taken_bytes, end)

    def echo(self, number: int) -> Sent | None:
        """Note that the target came to the frame of that number; None if it was known before."""
        sent = self._by_number.get(number)
        if sent is None or sent.order <= self.echoed:
            return None
        self.echoed = sent.order
        self.took(sent.end)
        return sent

    def passed(self, order: int) -> None:
        """Note that the target came past a transmission, or never will get it."""
        if order > self.echoed and (sent := self._by_number.get(order % _NUMBERS)) is not None:
            self.echoed = order
            self.took(sent.end)

    @property
    def polls(self) -> int:
        """Polls that the target has not come to, as far as is known."""
        return sum(
            self._by_number[order % _NUMBERS].base >= 0
            for order in range(self.echoed + 1, self.next)
        )

    def sent_as(self, number: int) -> Sent | None:
        """Return the newest transmission that has this number."""
        return self._by_number.get(number)

    @property
    def leaves_doubt(self) -> bool:
        """Whether the target has come past transmissions whose fate no poll under way will tell."""
        return bool(self.open) and self.open[0].order <= self.echoed and self.polled <= self.echoed
