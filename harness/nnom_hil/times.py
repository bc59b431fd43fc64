"""What a duration counts: cycles, instructions, a clock of somebody's; and what may be compared."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from nnom_hil.errors import UsageError

__all__ = ["NO_CLOCK", "Clock", "TimeSource", "check_comparable"]


class TimeSource(StrEnum):
    """Where a figure of time comes from.

    dwt, systick: cycles that a real core counted. model: cycles estimated from an exact profile.
    instructions: counted, on an emulator; no time at all. host: the clock of the machine a process
    ran on. printed: by firmware that is not ours, its own clock. virtual: an emulator's clock whose
    instructions are not known, renode: the same in records before run/2. unknown: nothing tells
    whether a core or an emulator was behind the clock.
    """

    DWT = "dwt"
    SYSTICK = "systick"
    MODEL = "model"
    INSTRUCTIONS = "instructions"
    HOST = "host"
    PRINTED = "printed"
    VIRTUAL = "virtual"
    RENODE = "renode"
    UNKNOWN = "unknown"

    @property
    def is_hardware(self) -> bool:
        """Whether a real core counted its cycles."""
        return self in {TimeSource.DWT, TimeSource.SYSTICK}

    @property
    def has_cycles(self) -> bool:
        """Whether there are cycles of the board's core, counted or estimated."""
        return self.is_hardware or self is TimeSource.MODEL

    @property
    def is_time(self) -> bool:
        """Whether its microseconds are somebody's: of a board, an estimate of one, a machine's."""
        return self.has_cycles or self in {TimeSource.HOST, TimeSource.PRINTED}

    @property
    def is_measured(self) -> bool:
        """Whether the target's own clock gave it, and that is no emulator's as far as is known."""
        return self.is_hardware or self in {
            TimeSource.HOST,
            TimeSource.PRINTED,
            TimeSource.UNKNOWN,
        }

    @property
    def words(self) -> str:
        """The source as a reader is told it."""
        return {"unknown": "unknown clock", "renode": "virtual, Renode's"}.get(self, str(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A target's clock. hz: ticks a second, by the firmware; 0: it has told none yet.

    ticks_per_instruction: on an emulator each instruction takes the same time; else None. remark:
    what a reader should know, where anything is odd.
    """

    source: TimeSource
    hz: int
    ticks_per_instruction: Fraction | None = None
    remark: str | None = None

    def instructions(self, ticks: float) -> int | None:
        """Return the instructions that so many ticks are, to a tick; None where they are none."""
        if self.ticks_per_instruction is None:
            return None
        return round(Fraction(ticks) / self.ticks_per_instruction)

    def us(self, ticks: float) -> float:
        """Return microseconds of this clock, to the nanosecond."""
        return round(ticks * 1e6 / self.hz, 3)


NO_CLOCK: Final = Clock(source=TimeSource.UNKNOWN, hz=0)
"""Of a target that has not told of one."""


def check_comparable(one: TimeSource, other: TimeSource) -> None:
    """Raise UsageError unless two times, or rates made from them, may be compared.

    They may if both come from the same source, which is known.
    """
    if one is not other:
        raise UsageError(
            f"times of source {one.words!r} and {other.words!r} cannot be compared: "
            "take both from the same kind of target"
        )
    if one is TimeSource.UNKNOWN:
        raise UsageError(
            "times of an unknown clock cannot be compared, not even with each other: nothing tells "
            "whether a core or an emulator was behind it"
        )
