"""The seam between a session and what runs the firmware."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from nnom_hil.deadline import Deadline
from nnom_hil.link.transport import Transport
from nnom_hil.target.process import ChildProcess

__all__ = [
    "CoreHolder",
    "HasExactTwin",
    "HasLog",
    "ProcessTarget",
    "Target",
    "TargetFacts",
    "to_time",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What records and sessions must know of a target. description: tool and version.

    emulated: whether its core is a program; None where nothing but a port is known of it.
    runs_already: whether start() only joins firmware that runs, which must be reset to hear its
    start. known_fault: what it is known to compute wrongly, told where outputs differ.
    """

    description: str
    emulated: bool | None
    runs_already: bool = False
    known_fault: str = ""


class Target(Protocol):
    """Runs one image. start() once, stop() at any time and more than once."""

    @property
    def facts(self) -> TargetFacts:
        """What is known of it; once it has started, for certain."""
        ...

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Run the image from its reset and return its console; raises TargetError."""
        ...

    def why_dead(self) -> str | None:
        """Return why the target cannot answer any more, or None while it can."""
        ...

    def reset(self) -> bool:
        """Reset what does not answer any more, from outside; False where that cannot be done."""
        ...

    def stop(self) -> None:
        """End it and release everything."""
        ...


@runtime_checkable
class CoreHolder(Protocol):
    """A target whose core can be stopped where it is, as a hang does, and let go on."""

    def hold(self) -> bool:
        """Stop the core; False where that cannot be done now."""
        ...

    def let_go(self) -> None:
        """Let a core that was stopped go on; nothing happens to one that has ended."""
        ...


@runtime_checkable
class HasExactTwin(Protocol):
    """A target whose clock is another's, which is better."""

    def to_time(self) -> Target | None:
        """Return one to time layers on; None where this one's clock is exact."""
        ...


@runtime_checkable
class HasLog(Protocol):
    """A target that writes a log of its own."""

    @property
    def remarks(self) -> str:
        """What it warns of, in a few lines, for runs that fail; "" for nothing."""
        ...


def to_time(target: Target) -> Target | None:
    """Return another target to time layers on; None where this one's clock is as good as any."""
    return target.to_time() if isinstance(target, HasExactTwin) else None


class ProcessTarget:
    """What all targets share that live in a child process; name is what messages call it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: ChildProcess | None = None
        self._transport: Transport | None = None

    def why_dead(self) -> str | None:
        """Return how the process ended, or None while it runs."""
        if self._process is None:
            return f"{self._name} was not started"
        return self._process.why_ended()

    def reset(self) -> bool:
        """Return False: an emulated core that hangs would hang again."""
        return False

    def hold(self) -> bool:
        """Stop the process where it is."""
        return self._signal(signal.SIGSTOP)

    def let_go(self) -> None:
        """Let the process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> bool:
        if self._process is None:
            return False
        self._process.signal(number)
        return True

    def stop(self) -> None:
        """End the process and close its console; twice is fine."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            self._process.kill()

    @property
    def pid(self) -> int | None:
        """The process id, for tests that kill it."""
        return None if self._process is None else self._process.pid
