"""The seam between a session and what runs the firmware."""

from pathlib import Path
from typing import Protocol

from nnom_hil.deadline import Deadline
from nnom_hil.link.transport import Transport

__all__ = ["Target"]


class Target(Protocol):
    """Runs one image. start() once, stop() at any time and more than once."""

    @property
    def runs_already(self) -> bool:
        """Whether start() only joins firmware that runs, which must be reset to hear its start."""
        ...

    @property
    def time_source(self) -> str:
        """What the target's clock counts: dwt, systick (cycles), virtual, instructions, model."""
        ...

    @property
    def description(self) -> str:
        """Tool and version, for records."""
        ...

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Run the image from its reset and return its console; raises TargetError."""
        ...

    def why_dead(self) -> str | None:
        """Return why the target cannot answer any more, or None while it can."""
        ...

    def stop(self) -> None:
        """End it and release everything."""
        ...
