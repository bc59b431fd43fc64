"""What a clock model hands back, and the parts that the models share."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from nnom_hil.boards.state import State

__all__ = [
    "AHB_DIVIDERS",
    "APB_DIVIDERS",
    "ClockTree",
    "bus",
    "by_way_of_half",
    "megahertz",
    "oscillator",
    "wait_states",
]

# by the value of the prescalers' fields, in all STM32
AHB_DIVIDERS: Final = (1,) * 8 + (2, 4, 8, 16, 64, 128, 256, 512)
APB_DIVIDERS: Final = (1,) * 4 + (2, 4, 8, 16)


def megahertz(hz: Fraction | int) -> str:
    """Return a frequency for people: "42 MHz"."""
    return f"{float(hz) / 1e6:.10g} MHz"


@dataclass(kw_only=True)
class ClockTree:
    """The clocks that run, in Hz by name; "core" is among them. how: where each is from.

    faults: what is outside the chip's limits.
    """

    clocks: dict[str, Fraction] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, name: str, hz: Fraction | int, how: str) -> Fraction:
        """Add a clock; how: its source's name first, then what is done with it."""
        self.clocks[name] = Fraction(hz)
        self.how[name] = how
        return self.clocks[name]

    def lines(self) -> list[str]:
        """Return the tree for people, a clock a line."""
        return [f"{n} = {how} = {megahertz(self.clocks[n])}" for n, how in self.how.items()]

    def chain(self, name: str) -> str:
        """Return how a clock comes about, from its oscillator on."""
        links: list[str] = []
        while name in self.how and len(links) < len(self.how):
            links.insert(0, f"{name} = {self.how[name]} = {megahertz(self.clocks[name])}")
            name = self.how[name].split(" ", 1)[0]
        return "; ".join(links)

    def feeds(self, what: str, source: str) -> bool:
        """Return whether a source runs; add a fault where it does not."""
        if source in self.clocks:
            return True
        self.faults.append(
            f"{what} has {source} for its source, which is not ready: switch it on and wait for "
            "it before"
        )
        return False

    def within(self, what: str, hz: Fraction | int, limits: list[int]) -> None:
        """Add a fault where a frequency is outside its limits, the least and the most."""
        least, most = limits
        if not least <= hz <= most:
            span = f"{megahertz(least)} to " if least else "up to "
            self.faults.append(f"{what} is {megahertz(hz)}; it may be {span}{megahertz(most)}")


def oscillator(
    state: State,
    tree: ClockTree,
    on: str,
    ready: str | None,
    bypass: str | None,
    *,
    name: str = "HSE",
) -> None:
    """Add the board's own oscillator, where it is switched on and has been waited for.

    on, ready, bypass: fields; without ready it needs no wait, without bypass it is a crystal.
    """
    if not state[on]:
        return
    clock = state.board.clock
    if clock.oscillator_hz is None:
        tree.faults.append(f"{on} is set, but [clock] names no oscillator_hz of the board")
        return
    if bypass is not None and state[bypass] != clock.bypass:
        tree.faults.append(
            f"{bypass} is {state[bypass]}, and the board's oscillator is "
            + ("a clock that comes in (bypass = true)" if clock.bypass else "a crystal")
        )
    limits = state.limits("bypass_hz" if clock.bypass else "crystal_hz")
    tree.within("the board's oscillator", clock.oscillator_hz, limits)
    if ready is None or state.ready(ready):
        tree.add(name, clock.oscillator_hz, "the board's clock" if clock.bypass else "crystal")


def bus(tree: ClockTree, name: str, source: str, divider: int, most: int) -> Fraction:
    """Add a bus clock, with its limit in Hz."""
    hz = tree.add(name, tree.clocks[source] / divider, f"{source} / {divider}")
    tree.within(name, hz, [0, most])
    return hz


def by_way_of_half(state: State, tree: ClockTree, most: int, prescaler: str) -> None:
    """Add a fault where the core's first clock over `most` is the whole of the system's.

    RM0432, RM0438, RM0440 and RM0456 want AHB / 2 for a microsecond.
    """
    before = state.previous.get("SYSCLK", 0)
    if tree.clocks["SYSCLK"] > most >= before and not state[prescaler]:
        tree.faults.append(
            f"the core goes from {megahertz(before)} over {megahertz(most)} at once: AHB / 2 first"
        )


def wait_states(tree: ClockTree, have: int, hz: Fraction, steps: list[int], why: str) -> None:
    """Add a fault where flash is read too fast; steps: the highest clock for 0, 1, ... waits."""
    needed = next((n for n, most in enumerate(steps) if hz <= most), len(steps))
    if have < needed:
        tree.faults.append(
            f"{have} wait states for flash at {megahertz(hz)}; it needs {needed} ({why})"
        )
