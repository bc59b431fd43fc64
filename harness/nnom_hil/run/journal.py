"""The journal of a run: a line for each answer, each with a check of its own.

The first line says what the answers are of. The check of a line covers that line's number and the
first line, so that one that was changed, moved, copied or comes from elsewhere is found.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from nnom_hil.errors import UsageError
from nnom_hil.files import read_regular

__all__ = ["Answer", "Identity", "Journal", "read_journal"]

_SCHEMA: Final = "nnom-hil/journal/2"
_LIMIT: Final = 1 << 34
_END: Final = re.compile(rb', "check": "([0-9a-f]{16})"\}')
_END_BYTES: Final = 30
_STATUS: Final = range(-128, 128)  # NNoM's, of one byte
_TICKS: Final = range(1 << 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What answers are of: hashes of the model, its vectors as they are sent, and the firmware."""

    model: str
    vectors: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a vector's answer was. line: where it stands in the journal."""

    output: bytes
    status: int
    ticks: int
    line: int

    def entry(self, vector: int) -> dict[str, Any]:
        """Return what is written of it."""
        return {
            "vector": vector,
            "output": self.output.hex(),
            "status": self.status,
            "ticks": self.ticks,
        }


@dataclass(slots=True, kw_only=True)
class Journal:
    """What a journal says. damaged: numbers of the lines that are not what was written."""

    path: Path
    identity: Identity | None = None
    answers: dict[int, Answer] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)
    torn: bool = False
    _salt: str = ""
    _number: int = 0

    def line(self, entry: Mapping[str, Any]) -> bytes:
        """Return the next line."""
        self._number += 1
        body = json.dumps({**entry, "line": self._number}, sort_keys=True)
        check = _check(self._salt, body.encode())
        if self._number == 1:
            self._salt = check
        return f'{body[:-1]}, "check": "{check}"}}\n'.encode()

    def begin(self, identity: Identity) -> bytes:
        """Return the first line."""
        self.identity = identity
        return self.line(
            {
                "schema": _SCHEMA,
                "model": identity.model,
                "vectors": identity.vectors,
                "image": identity.image,
            }
        )

    def rewritten(self) -> bytes:
        """Return a journal of what is sound, and go on behind it."""
        self._salt, self._number = "", 0
        if self.identity is None:
            return b""
        lines = [self.begin(self.identity)]
        for vector, answer in sorted(self.answers.items()):
            lines.append(self.line(answer.entry(vector)))
            self.answers[vector] = replace(answer, line=self._number)
        return b"".join(lines)

    def check_ranges(self, *, vectors: int, output_bytes: int) -> None:
        """Raise UsageError, by file and line, for an answer that this run cannot have."""
        for vector, answer in self.answers.items():
            where = f"{self.path}:{answer.line}"
            if vector >= vectors:
                raise UsageError(f"{where}: vector {vector} of a run with {vectors}")
            if len(answer.output) != output_bytes:
                raise UsageError(
                    f"{where}: {len(answer.output)} bytes of output; the model gives {output_bytes}"
                )


def read_journal(path: Path) -> Journal:
    """Read a journal; what is not sound is left out, and so is a last line that a kill cut off.

    Raises OSError, and UsageError for one that an earlier version has written.
    """
    journal = Journal(path=path)
    lines = read_regular(path, _LIMIT).split(b"\n")
    journal.torn = lines.pop() != b""
    for number, line in enumerate(lines, start=1):
        if number == 1:
            journal._salt = _read_first(journal, line)
        elif journal.identity is None or not _read_answer(journal, line, number):
            journal.damaged.append(number)
    journal._number = len(lines)
    return journal


def _read_first(journal: Journal, line: bytes) -> str:
    """Take up the first line; return its check, which the others' checks need."""
    if (entry := _sound(line, "")) is not None and entry.get("schema") == _SCHEMA:
        journal.identity = Identity(
            model=str(entry.get("model")),
            vectors=str(entry.get("vectors")),
            image=str(entry.get("image")),
        )
        return _parts(line)[1]
    if b'"image"' in line and b'"check"' not in line and b'"schema"' not in line:
        raise UsageError(
            f"{journal.path}:1: written by an earlier nnom-hil, whose journals cannot be checked "
            "for damage; start the run again (request.json beside it says what was asked for)"
        )
    journal.damaged.append(1)
    return ""


def _read_answer(journal: Journal, line: bytes, number: int) -> bool:
    """Take up an answer; False for a line that is not sound."""
    entry = _sound(line, journal._salt)
    if entry is None:
        return False
    try:
        vector, status, ticks = entry["vector"], entry["status"], entry["ticks"]
        output = bytes.fromhex(entry["output"])
    except (KeyError, TypeError, ValueError):
        return False
    numbers = (vector, status, ticks)
    if not all(type(value) is int for value in numbers):
        return False
    if vector < 0 or status not in _STATUS or ticks not in _TICKS or vector in journal.answers:
        return False
    journal.answers[vector] = Answer(output=output, status=status, ticks=ticks, line=number)
    return bool(entry.get("line") == number)  # one that was moved is sound, but tells of damage


def _sound(line: bytes, salt: str) -> dict[str, Any] | None:
    """Return the entry of a line that is as it was written."""
    body, check = _parts(line)
    if not check or check != _check(salt, body):
        return None
    try:
        entry = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _parts(line: bytes) -> tuple[bytes, str]:
    """Return what a line's check is of, and the check; none where it has none."""
    found = _END.fullmatch(line[-_END_BYTES:])
    if found is None or not line.startswith(b"{"):
        return b"", ""
    return line[:-_END_BYTES] + b"}", found[1].decode()


def _check(salt: str, body: bytes) -> str:
    return hashlib.sha256(salt.encode() + b"\n" + body).hexdigest()[:16]
