"""What the history has of each run: a column each, the same in SQLite, JSON, CSV and Parquet."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nnom_hil.records import RunRecord

__all__ = ["COLUMNS", "Column", "values_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """kind: str, int, float or bool; a value may always be None. of: from a record to it."""

    name: str
    kind: type
    of: Callable[["RunRecord"], Any]


def _column(name: str, kind: type, of: "Callable[[RunRecord], Any] | None" = None) -> Column:
    """Return a column; without `of` it is the record's field of that name."""
    return Column(name=name, kind=kind, of=of or (lambda record: getattr(record, name)))


def _in_utc(started: str) -> str:
    """Return a time as all of them are compared and sorted; what is no time stays as it is."""
    try:
        then = datetime.fromisoformat(started)
    except ValueError:
        return started
    then = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    return then.astimezone(UTC).isoformat(timespec="seconds")


def _library(record: "RunRecord") -> str:
    """Return whose library it was built on, where it is not ours alone."""
    return ", ".join(f"{t} {record.tools[t]}" for t in ("nnom", "CMSIS-NN") if t in record.tools)


COLUMNS: Final = (
    _column("id", str),
    _column("started", str, lambda r: _in_utc(r.started)),
    _column("board", str),
    _column("model", str),
    _column("verdict", str, lambda r: r.verdict.value),
    _column("reason", str, lambda r: r.reasons[0] if r.reasons else None),
    _column("commit", str),
    _column("task", str, lambda r: r.task and r.task.value),
    _column("vectors", int),
    _column("vectors_planned", int),
    _column("outputs_equal", bool),
    _column("accuracy", float, lambda r: r.accuracy and r.accuracy.quantised),
    _column("float_accuracy", float, lambda r: r.accuracy and r.accuracy.float_),
    _column("mean_error", float, lambda r: r.regression and r.regression.target.mae),
    _column("agreement", float),
    _column("time_source", str, lambda r: r.time_source.value),
    _column("error_percent", float),
    _column("time_us", float, lambda r: r.total_time_us),
    _column("cycles", float, lambda r: r.total_cycles),
    _column("instructions", int, lambda r: r.total_instructions),
    _column("macs", int),
    _column("flash", int, lambda r: r.flash_bytes),
    _column("ram", int, lambda r: r.ram_bytes),
    _column("stack", int, lambda r: r.memory and r.memory.ram_stack),
    _column("kernels", str, lambda r: " ".join(sorted(set(r.kernels.values()))) or None),
    _column("library", str, lambda r: _library(r) or None),
    _column("compiler", str, lambda r: r.tools.get("compiler")),
    _column("conversion", str),
    _column("compat", bool),
    _column("faults", str),
    _column("nnom_hil", str, lambda r: r.tools.get("nnom-hil")),
    _column("model_hash", str),
    _column("image_id", str),
    _column("outputs_hash", str),
    _column("vectors_hash", str),
)


def values_of(record: "RunRecord") -> tuple[Any, ...]:
    """Return a record's values in the order of the columns."""
    return tuple(column.of(record) for column in COLUMNS)
