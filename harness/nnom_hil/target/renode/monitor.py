"""Renode's command line, the monitor, over its standard input and output: nothing listens."""

import os
import re
import select
from typing import IO, Final

from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError

__all__ = ["COMMAND_TIMEOUT_S", "Monitor"]

COMMAND_TIMEOUT_S: Final = 60.0
"""For one answer, on a loaded machine."""
_LONGEST_ANSWER = 1 << 20
_COLOUR = re.compile(rb"\x1b\[[0-9;?]{0,32}[A-Za-z]")
_REFUSAL = re.compile(
    r"There was an error|No such|Could not|not found|Bad parameters|^Error E\d+|Errors during", re.M
)


class Monitor:
    """One command, one answer.

    A prompt is no sure end of an answer: output comes a byte at a time, with pauses, and may look
    like one. So each command is followed by a numbered comment, which does nothing; an answer is
    what stands between the echo of the one and the echo of the other. Wait for ready() first.
    """

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._commands, self._answers = commands, answers
        self._data = b""
        self._number = 0

    def ready(self, deadline: Deadline) -> None:
        """Wait until Renode reads commands: what is sent before may be lost; raises TargetError."""
        self._until(b"(monitor) ", "its start", deadline)

    def command(self, text: str, deadline: Deadline | None = None) -> str:
        """Run a command and return what it printed; raises TargetError if Renode refuses it."""
        answer = self._ask(text, deadline or Deadline.after(COMMAND_TIMEOUT_S))
        if _REFUSAL.search(answer):
            raise TargetError(f"Renode refused: {text}\n{answer}")
        return answer

    def _ask(self, text: str, deadline: Deadline) -> str:
        if not text.isprintable():
            raise TargetError(f"Renode's monitor takes no control characters: {text!r}")
        self._number += 1
        end = f"# nnom-hil {self._number}\n"
        self._write(text, f"{text}\n{end}")
        said = self._until(end.encode(), text, deadline)
        if (answer := _after_echo(said, text)) is None:
            raise TargetError(f"Renode's monitor did not echo: {text}\n{said.strip()}")
        lines = [line.strip() for line in answer.splitlines()]
        return "\n".join(line for line in lines[:-1] if line)  # the last is the comment's prompt

    def _write(self, text: str, data: str) -> None:
        try:
            self._commands.write(data.encode())
            self._commands.flush()
        except (OSError, ValueError) as exc:
            raise TargetError(f"Renode's monitor was lost at: {text}: {exc}") from exc

    def _until(self, mark: bytes, text: str, deadline: Deadline) -> str:
        """Return what comes before that; raises TargetError."""
        while mark not in self._data:
            if not select.select([self._answers], [], [], deadline.remaining_s)[0]:
                raise TargetError(f"Renode's monitor does not answer: {text}")
            chunk = os.read(self._answers.fileno(), 65536)
            if not chunk:
                raise TargetError(f"Renode ended at: {text}")
            self._data = _COLOUR.sub(b"", self._data + chunk.replace(b"\r", b""))
            if len(self._data) > _LONGEST_ANSWER:
                raise TargetError(f"Renode's monitor answers without end: {text}")
        said, self._data = self._data.split(mark, 1)
        return said.decode(errors="replace")


def _after_echo(said: str, text: str) -> str | None:
    """Return what follows a command's echo, None where it is not there.

    A prompt may be before it, and line ends in it: later versions wrap it as for a terminal.
    """
    rest = said.partition(") ")[2] if said.startswith("(") else said
    wanted = "".join(text.split())
    at = 0
    for number, char in enumerate(rest):
        if at == len(wanted):
            return rest[number:]
        if char.isspace():
            continue
        if char != wanted[at]:
            return None
        at += 1
    return None
