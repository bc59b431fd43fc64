"""The errors of nnom-hil. Each branch says who must act, and owns its exit code.

HilError
├── UsageError        the command line or an argument is wrong            exit 2
│   ├── ModelError    a model file cannot be read or expressed
│   │   └── NotFiniteError  its weights hold NaN or infinity
│   ├── DataError     a data file has the wrong content
│   └── BoardError    a board file is wrong or unknown
└── HilEnvironmentError  the surroundings do not play along                exit 3
    ├── ToolError     a program is missing or failed
    │   └── BuildError  the firmware does not compile or does not fit
    ├── StoreError    a file cannot be written
    └── TargetError   the emulator or board is in trouble
        ├── LinkError the link to it is in trouble
        └── TargetGoneError  it ended, or another has it: another one may do
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

__all__ = [
    "BoardError",
    "BuildError",
    "DataError",
    "ExitCode",
    "HilEnvironmentError",
    "HilError",
    "LinkError",
    "ModelError",
    "NotFiniteError",
    "StoreError",
    "TargetError",
    "TargetGoneError",
    "ToolError",
    "UsageError",
    "did_you_mean",
]


class ExitCode(IntEnum):
    """What a command answers to the shell."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    ENVIRONMENT = 3


class HilError(Exception):
    """Root of every error that nnom-hil raises on purpose.

    The message says what, where, the value, and what to try.
    """

    exit_code = ExitCode.ENVIRONMENT


class UsageError(HilError):
    """The caller asked for something that cannot be."""

    exit_code = ExitCode.USAGE


class ModelError(UsageError):
    """A model file cannot be read, or holds what NNoM cannot express."""


class NotFiniteError(ModelError):
    """A layer's weights hold NaN or infinity. field: which of its arrays; values: the array."""

    def __init__(self, message: str, *, layer: str, field: str, values: Any) -> None:
        super().__init__(message)
        self.layer = layer
        self.field = field
        self.values = values


class DataError(UsageError):
    """A data file is missing, unreadable or of the wrong shape."""


class BoardError(UsageError):
    """A board description is wrong or unknown."""


class HilEnvironmentError(HilError):
    """A tool, file or target is not as it should be."""


class ToolError(HilEnvironmentError):
    """An external program is missing, failed or did not end in time.

    output: what the program printed, for logs and reports.
    """

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class BuildError(ToolError):
    """The firmware does not compile, or does not fit the board."""


class StoreError(HilEnvironmentError):
    """A result cannot be written."""


class TargetError(HilEnvironmentError):
    """The emulator or board did not start, stopped, or faulted.

    heard: what the emulator's own log has to say, the end of the message.
    """

    heard = ""

    def __str__(self) -> str:
        said = super().__str__()
        return f"{said}\n{self.heard}" if self.heard else said


class LinkError(TargetError):
    """The serial link to the target is missing, silent, noisy or speaks to the wrong firmware."""


class TargetGoneError(TargetError):
    """The emulator or board ended, was unplugged, or is another's: another one may do."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about a word that is none of the known: the nearest of them."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), map(str, known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
