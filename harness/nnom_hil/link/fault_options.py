"""What a user may ask to have spoiled on the link."""

from dataclasses import dataclass, fields
from typing import Final, Self

from nnom_hil.errors import UsageError, did_you_mean

__all__ = ["LinkFaults"]

_MAX_EVENTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFaults:
    """How often what goes wrong, on each side of the link.

    byte_error: share of bytes that are changed. drop, duplicate, delay, split, garbage: share of
    reads and writes that are lost, repeated, held back for delay_ms, cut in two, or have noise or
    console text put before them. resets, hangs, disconnects: how many, at random vectors.
    """

    byte_error: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_ms: float = 20.0
    split: float = 0.0
    garbage: float = 0.0
    resets: int = 0
    hangs: int = 0
    disconnects: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "byte_error=0.01,resets=2"; raises UsageError naming what is wrong."""
        known = {field.name: field.type for field in fields(cls)}
        values: dict[str, float] = {}
        for item in filter(None, text.replace(" ", "").split(",")):
            name, _, value = item.partition("=")
            if name not in known:
                raise UsageError(
                    f"--faults: no fault {name!r}; known: {', '.join(known)}"
                    f"{did_you_mean(name, known)}"
                )
            try:
                number = int(value) if known[name] is int else float(value)
            except ValueError:
                number = -1.0
            limit = _MAX_EVENTS if known[name] is int or name == "delay_ms" else 1.0
            if not 0 <= number <= limit:
                kind = "a whole number" if known[name] is int else "a number"
                raise UsageError(f"--faults: {item}: needs {kind} from 0 to {limit:g}")
            values[name] = number
        return cls(**values)  # type: ignore[arg-type]  # the loop has checked the types

    def __str__(self) -> str:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return ",".join(f"{k}={v:g}" for k, v in given.items() if v and k != "delay_ms")
