"""The seam between a session and what runs the firmware."""

import signal
from pathlib import Path
from typing import Protocol

from nnom_hil.deadline import Deadline
from nnom_hil.link.transport import Transport
from nnom_hil.target.process import ChildProcess

__all__ = ["ProcessTarget", "Target"]


class Target(Protocol):
    """Runs one image. start() once, stop() at any time and more than once."""

    @property
    def runs_already(self) -> bool:
        """Whether start() only joins firmware that runs, which must be reset to hear its start."""
        ...

    @property
    def emulated(self) -> bool | None:
        """Whether its core is a program; None where nothing but a port is known of it."""
        ...

    @property
    def description(self) -> str:
        """Tool and version, for records."""
        ...

    def to_time(self) -> "Target | None":
        """Return another one, to time layers on; None where this one's clock is as good."""
        ...

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Run the image from its reset and return its console; raises TargetError."""
        ...

    @property
    def remarks(self) -> str:
        """What its own log warns of, in a few lines, for runs that fail; "" where it has none."""
        ...

    @property
    def known_fault(self) -> str:
        """What it is known to compute wrongly, told where outputs differ; "" for nothing."""
        ...

    def why_dead(self) -> str | None:
        """Return why the target cannot answer any more, or None while it can."""
        ...

    def reset(self) -> bool:
        """Reset what does not answer any more, from outside; False where that cannot be done."""
        ...

    def hold(self) -> bool:
        """Stop the core where it is, as a hang does; False where that cannot be done."""
        ...

    def let_go(self) -> None:
        """Let a core that was stopped go on; nothing happens to one that has ended."""
        ...

    def stop(self) -> None:
        """End it and release everything."""
        ...


class ProcessTarget:
    """What all targets share that live in a child process; name is what messages call it."""

    runs_already = False
    emulated = True

    @property
    def remarks(self) -> str:
        """Nothing: what it printed is told when it has ended."""
        return ""

    @property
    def known_fault(self) -> str:
        """Nothing."""
        return ""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: ChildProcess | None = None
        self._transport: Transport | None = None

    def to_time(self) -> Target | None:
        """Return None: the clock is what it is."""
        return None

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
