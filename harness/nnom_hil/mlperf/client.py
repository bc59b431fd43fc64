"""The benchmark's serial protocol, as its runner speaks it (docs/mlperf.md).

Commands end in '%'; each is answered by lines, the last of which holds "m-ready".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError
from nnom_hil.link.transport import Transport

__all__ = ["Inference", "MlperfClient", "RefusedError"]

_ANSWER_S: Final = 5.0  # without a whole line; the runner's own
_INFER_S: Final = 30.0
_BYTES: Final = 31  # of a stimulus in a command: 80 characters are kept of one
_READY: Final = "m-ready"
_ERROR: Final = "e-["
_MOST_LINE: Final = 1 << 16


class RefusedError(TargetError):
    """The device has answered e-[...]; text is what stands between the brackets."""

    def __init__(self, command: str, text: str) -> None:
        super().__init__(f"the device refuses {command!r}: {text}")
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """An answer to infer. microseconds: of all runs, by the device's clock. results: as told."""

    runs: int
    microseconds: int
    results: tuple[str, ...]

    @property
    def scores(self) -> tuple[float, ...]:
        """The results as numbers."""
        return tuple(float(text) for text in self.results)

    @property
    def per_second(self) -> float:
        """Inferences a second, by the device's clock; infinite where it did not move."""
        return self.runs * 1e6 / self.microseconds if self.microseconds else float("inf")


class MlperfClient:
    """One device. on_line is told each line that it sends."""

    def __init__(
        self,
        transport: Transport,
        *,
        on_line: Callable[[str], None] = lambda _: None,
        why_dead: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._transport = transport
        self._on_line = on_line
        self._why_dead = why_dead
        self._heard = b""

    def wait_for_start(self, timeout_s: float) -> None:
        """Take what is sent at power-up; raises as command() does."""
        self._answer("power-up", timeout_s)

    def command(self, text: str, timeout_s: float = _ANSWER_S) -> list[str]:
        """Send a command and return the lines before m-ready.

        Raises RefusedError for an e-[...], LinkError where no whole line comes in time, TargetError
        where the target has ended.
        """
        self._transport.write(f"{text}%".encode())
        lines = self._answer(text, timeout_s)
        for line in lines:
            if line.startswith(_ERROR):
                raise RefusedError(text[:40], line[len(_ERROR) :].removesuffix("]"))
        return lines

    def _answer(self, to: str, timeout_s: float) -> list[str]:
        lines: list[str] = []
        while True:
            line = self._line(to, timeout_s)
            self._on_line(line)
            if _READY in line:
                return lines
            lines.append(line)

    def _line(self, to: str, timeout_s: float) -> str:
        deadline = Deadline.after(timeout_s)
        while b"\n" not in self._heard:
            try:
                data = self._transport.read(deadline)
            except LinkError as exc:
                raise TargetError(self._why_dead() or str(exc)) from exc
            self._heard += data
            if not data and (reason := self._why_dead()):
                raise TargetError(reason)
            if not data or len(self._heard) > _MOST_LINE:
                raise LinkError(
                    f"no answer to {to[:40]!r} within {timeout_s:g} s: is this firmware that "
                    "nnom-hil build --protocol mlperf has made, and the rate its own (--baud)?"
                )
        line, _, self._heard = self._heard.partition(b"\n")
        return line.replace(b"\r", b"").replace(b"\0", b"").decode("ascii", "replace")

    def _matched(self, text: str, pattern: str, timeout_s: float = _ANSWER_S) -> list[str]:
        """Return what the pattern's group matches in each line of the answer, at least one."""
        lines = self.command(text, timeout_s)
        found = [m[1] for line in lines if (m := re.fullmatch(pattern, line))]
        if not found:
            raise LinkError(f"the answer to {text!r} has no line like {pattern}: {lines[:5]}")
        return found

    def name(self) -> str:
        """Return the device's name."""
        return self._matched("name", r"m-name-dut-\[([^\]]++)\]")[0]

    def model(self) -> str:
        """Return which benchmark the firmware is for."""
        return self._matched("profile", r"m-model-\[([^\]]++)\]")[0]

    def timestamp(self) -> int:
        """Return the device's time, microseconds."""
        return int(self._matched("timestamp", r"m-lap-us-(\d+)")[0])

    def load(self, stimulus: bytes) -> None:
        """Send a stimulus; raises LinkError where the device does not say that it has all of it."""
        self.command(f"db load {len(stimulus)}")
        lines: list[str] = []
        for start in range(0, len(stimulus), _BYTES):
            lines += self.command(f"db {stimulus[start : start + _BYTES].hex()}")
        if lines != ["m-load-done"]:
            raise LinkError(f"{len(stimulus)} bytes were sent, the device says {lines[:5]}")

    def infer(self, runs: int = 1, warm_up: int = 0) -> Inference:
        """Run the model on what is loaded."""
        lines = self.command(f"infer {runs} {warm_up}", _INFER_S)
        laps = [int(line.removeprefix("m-lap-us-")) for line in lines if _is_lap(line)]
        results = [m[1] for line in lines if (m := re.fullmatch(r"m-results-\[([^\]]++)\]", line))]
        if len(laps) != 2 or len(results) != 1:
            raise LinkError(f"an answer to infer with {len(laps)} times, {len(results)} results")
        return Inference(
            runs=runs, microseconds=laps[1] - laps[0], results=tuple(results[0].split(","))
        )


def _is_lap(line: str) -> bool:
    return re.fullmatch(r"m-lap-us-\d+", line) is not None
