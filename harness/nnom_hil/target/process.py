"""A child process that a target lives in: its end explained, never left behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from nnom_hil.errors import TargetError
from nnom_hil.target.cores import CoreLock, starting_on
from nnom_hil.temporary import scratch_file
from nnom_hil.tool import end_group, find_tool

__all__ = ["ChildProcess"]

_MOST_OUTPUT = 64 << 10


_KEEPER = Path(__file__).with_name("keeper.py")


def _die_with_parent() -> list[str]:
    """Return a command prefix that ends a child without children when its parent is killed.

    setpriv is part of every Debian; where it is missing, only a killed nnom-hil leaves it behind.
    """
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--"]


class ChildProcess:
    """Starts argv at once. name: what messages call it; brief: what is worth telling of its output.

    With pipes its standard input and output are pipes, and what it prints to standard error is
    kept; without, both outputs are kept and its input is empty. folder: where a killed nnom-hil
    must leave neither this folder nor what the program itself has started. one_core: all its
    threads share one. Raises TargetError where it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        pipes: bool = False,
        brief: Callable[[str], str] = str.strip,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        one_core: bool = False,
    ) -> None:
        self.name = name
        self._brief = brief
        program = find_tool(str(argv[0]))
        self._log = scratch_file()
        self._kept = folder is not None
        lifeline, self._lifeline = os.pipe()
        prefix = _die_with_parent()
        if folder is not None:
            prefix = [sys.executable, "-I", "-S", str(_KEEPER), str(lifeline), str(folder)]
        self._core = CoreLock() if one_core else None
        try:
            with starting_on(self._core.core if self._core else None):
                self._process = subprocess.Popen(
                    [*prefix, str(program), *(str(arg) for arg in argv[1:])],
                    pass_fds=[lifeline] if self._kept else [],
                    stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if pipes else self._log,
                    stderr=self._log,
                    env=env,
                    start_new_session=True,  # a terminal's Ctrl-C is for us; we end the whole group
                )
        except OSError as exc:
            self._let_go_of_core()
            self._log.close()
            os.close(self._lifeline)
            raise TargetError(f"{name} cannot be started: {program}: {exc.strerror}") from exc
        finally:
            os.close(lifeline)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """Its standard input and its standard output. Needs pipes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

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
        """Return what is worth telling of what it has printed, of the end if it is much."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _MOST_OUTPUT))
        return self._brief(self._log.read().decode(errors="replace"))

    def why_ended(self) -> str | None:
        """Return how the process ended and what it said, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        output = self.output()
        return f"{self.name} {how}" + (f": {output}" if output else "")

    def signal(self, number: signal.Signals) -> None:
        """Send it, and all that it has started, a signal; nothing happens where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
            if self._kept:  # the keeper stays awake
                os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it, now; twice is fine."""
        end_group(self._process.pid)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what it did not take
                    pipe.close()
        self._let_go_of_core()
        if not self._log.closed:
            self._log.close()
            os.close(self._lifeline)

    def _let_go_of_core(self) -> None:
        if self._core is not None:
            self._core.release()
