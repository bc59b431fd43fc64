"""A child process that a target lives in: its end explained, never left behind."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnom_hil.errors import TargetError
from nnom_hil.temporary import scratch_file
from nnom_hil.tool import end_group, find_tool

__all__ = ["ChildProcess"]

_MOST_OUTPUT = 64 << 10


def _die_with_parent() -> list[str]:
    """Return a command prefix that ends the child when its parent is killed.

    setpriv is part of every Debian; where it is missing, only a killed nnom-hil leaves it behind.
    """
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--"]


class ChildProcess:
    """Starts argv at once. name: what messages call it; ignore: a line of output that says nothing.

    With pipes its standard input and output are pipes, and what it prints to standard error is
    kept; without, both outputs are kept and its input is empty. Raises TargetError where it cannot
    be started.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        pipes: bool = False,
        ignore: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._ignore = ignore
        program = find_tool(str(argv[0]))
        self._log = scratch_file()
        try:
            self._process = subprocess.Popen(
                [*_die_with_parent(), str(program), *(str(arg) for arg in argv[1:])],
                stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipes else self._log,
                stderr=self._log,
                env=env,
                start_new_session=True,  # a terminal's Ctrl-C is for us; we end the whole group
            )
        except OSError as exc:
            self._log.close()
            raise TargetError(f"{name} cannot be started: {program}: {exc.strerror}") from exc

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def read_line(self) -> str:
        """Return the next line the process prints; "" when it has ended. Needs pipes."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode(errors="replace").strip()

    def write_line(self) -> None:
        """Send an empty line; nothing happens if the process has ended. Needs pipes."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def output(self) -> str:
        """Return what it has printed, the end of it if it is much."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _MOST_OUTPUT))
        lines = self._log.read().decode(errors="replace").splitlines()
        return "\n".join(x for x in lines if self._ignore is None or self._ignore not in x).strip()

    def why_ended(self) -> str | None:
        """Return how the process ended and what it said, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        output = self.output()
        return f"{self.name} {how}" + (f": {output}" if output else "")

    def kill(self) -> None:
        """End it, now; twice is fine."""
        end_group(self._process.pid)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if not self._log.closed:
            self._log.close()
