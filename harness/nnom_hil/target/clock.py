"""What a target's clock counts, judged by what its firmware measured of it and by who runs it.

The firmware times three loops of equally many instructions: such that do nothing, loads that wait
for each other, taken branches. No Cortex-M takes the same time for all three; an emulator that
counts instructions does. So it is the clock that tells, whatever the board file or the user says of
a port. An emulator whose time is the host's differs too: one that nobody tells us of is taken for a
core only if it also repeats as exactly, and has a core's own counter.
"""

from fractions import Fraction
from typing import Final

from nnom_hil.boards import Board
from nnom_hil.link.messages import ClockReport, Hello
from nnom_hil.times import Clock, TimeSource

__all__ = ["judge_clock"]

_EQUAL_TICKS: Final = 2  # two readings, each a tick too early or too late
_FEWEST_TICKS: Final = 100  # of a loop, for equality to say anything
_FEWEST_CYCLES: Final = 0.45  # of an instruction: no core begins more than two in a cycle
_LEAST_DIFFERENCE: Final = 1.2  # between the cheapest loop and the dearest on a core
_MOST_JITTER: Final = 0.02
_RATE_FITS: Final = 0.02  # the loop is not all that is timed
_COUNTERLESS: Final = {0xC20: "Cortex-M0", 0xC60: "Cortex-M0+", 0xD20: "Cortex-M23"}
"""CPUID's part numbers of cores without a cycle counter: SysTick is all that they have."""


def judge_clock(hello: Hello, board: Board, *, emulated: bool | None) -> Clock:
    """Return what the ticks of a target are.

    emulated: whether it is a program, None where only its port is known.
    """
    told = hello.clock
    if told.name == "posix":
        return Clock(source=TimeSource.HOST, hz=hello.tick_hz)
    if _counts_instructions(told):
        return _emulators(told, hello.tick_hz, board)
    if emulated:
        source = TimeSource.VIRTUAL
    elif emulated is None and not _may_be_a_core(told, hello.cpuid):
        source = TimeSource.UNKNOWN
    else:
        source = TimeSource.DWT if told.name == "dwt" else TimeSource.SYSTICK
    return Clock(source=source, hz=hello.tick_hz)


def _counts_instructions(told: ClockReport) -> bool:
    slowest, fastest = max(told.loops), min(told.loops)
    return fastest >= _FEWEST_TICKS and slowest - fastest <= _EQUAL_TICKS


def _may_be_a_core(told: ClockReport, cpuid: int) -> bool:
    plain, dearest = told.loops[0], max(told.loops)
    return (
        told.instructions > 0
        and plain >= _FEWEST_CYCLES * told.instructions
        and dearest >= _LEAST_DIFFERENCE * plain
        and told.jitter <= _MOST_JITTER * plain
        and (told.name == "dwt" or (cpuid >> 4 & 0xFFF) in _COUNTERLESS)
    )


def _emulators(told: ClockReport, hz: int, board: Board) -> Clock:
    """Return the clock of an emulator: that of the board file's which runs at this rate."""
    measured = Fraction(told.loops[0], told.instructions)
    core_hz = board.clock.core_hz
    backends = (board.backend.qemu, board.backend.renode)
    known = [b.ticks_per_instruction(core_hz) for b in backends if b is not None]
    for ticks in known:
        if ticks is not None and abs(measured - ticks) <= _RATE_FITS * ticks:
            return Clock(source=TimeSource.INSTRUCTIONS, hz=hz, ticks_per_instruction=ticks)
    remark = (
        f"Instructions are not counted: the emulator's clock has about {float(measured):.2f} ticks "
        f"for each, which fits no back end in the file of board {board.name}."
    )
    if (qemu := board.backend.qemu) is not None:
        clock_hz = float(measured) * 1e9 / 2**qemu.icount_shift
        remark += f" In QEMU that would be clock_hz of about {clock_hz / 1e6:.0f} MHz."
    return Clock(source=TimeSource.VIRTUAL, hz=hz, remark=remark)
