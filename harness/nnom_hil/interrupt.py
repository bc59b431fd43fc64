"""A polite end: SIGINT, SIGTERM and SIGHUP are interruptions, of which the first counts."""

import signal
from types import FrameType
from typing import Any, Final, Self

__all__ = ["Interrupted", "Signals", "how_interrupted"]

_HOW: Final = {
    signal.SIGINT: "from the keyboard",
    signal.SIGTERM: "by SIGTERM",
    signal.SIGHUP: "because the terminal hung up",
}
_PATIENCE: Final = 3


class Interrupted(KeyboardInterrupt):
    """The process was asked to end; number: by which signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def how_interrupted(error: KeyboardInterrupt) -> str:
    """Return a sentence for records and messages."""
    number = error.number if isinstance(error, Interrupted) else int(signal.SIGINT)
    return f"interrupted {_HOW[signal.Signals(number)]}"


class Signals:
    """Raises Interrupted in the main thread at the first of the signals.

    What ends the run then, stops targets and writes the record, is not disturbed by more of them;
    only the third ends the process on the spot. One that is ignored already, as under nohup, stays
    so.
    """

    def __init__(self) -> None:
        self._came: list[int] = []
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _HOW:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)
        if len(self._came) == 1:
            raise Interrupted(number)
        if len(self._came) >= _PATIENCE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    @property
    def came(self) -> bool:
        """Whether there was one."""
        return bool(self._came)

    @property
    def exit_code(self) -> int:
        """What a shell is told of the first one."""
        return 128 + (self._came[0] if self._came else int(signal.SIGINT))
