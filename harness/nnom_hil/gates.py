"""Whether a run is worse than the one that was reviewed: gates over records and baselines; pure.

A baseline is a board's and a model's: reports/baselines/<board>/<model>.json. What every build must
give alike (outputs, accuracy) is there once, what depends on the compiler once for each, and what
depends on who counts once for each source of time, so that no figure meets one of another kind.
"""

import json
import math
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nnom_hil.errors import UsageError
from nnom_hil.files import first_problem, read_regular, read_toml, write_whole
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.times import TimeSource
from nnom_hil.tool import compiler_family

__all__ = [
    "BASELINE_SCHEMA",
    "SLACK",
    "Baseline",
    "Build",
    "Comparison",
    "Gate",
    "Limits",
    "Speed",
    "State",
    "baseline_file",
    "baseline_of",
    "evaluate",
    "load_baseline",
    "load_limits",
    "update_baseline",
]

BASELINE_SCHEMA: Final = "nnom-hil/baseline/1"
_LIMIT: Final = 1 << 20
_EXACT: Final = 1e-9
"""Share by which sums of floats differ between machines that add in another order."""
SLACK: Final = {"stack": 64, "ram": 64}
"""Bytes by which the deepest place differs between runs: an interrupt comes there, or does not."""

_Count = Annotated[int, Field(ge=0)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _per_cent(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "off" and not (is_number and 0 <= value <= 1000):
        raise ValueError(f'{value!r} is neither "off" nor a number of per cent from 0 to 1000')
    return value


_Percent = Annotated[float | Literal["off"], BeforeValidator(_per_cent)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Document):
    """How much worse each figure may be; "off" leaves a gate out, and says so.

    accuracy: percentage points that it may fall by. The others: per cent that they may grow by.
    outputs: every output byte is the baseline's.
    """

    outputs: Literal["equal", "off"] = "equal"
    accuracy: _Percent = 0.0
    error: _Percent = 0.0
    instructions: _Percent = 1.0
    cycles: _Percent = 2.0
    flash: _Percent = 1.0
    ram: _Percent = 1.0
    stack: _Percent = 1.0


class Speed(_Document):
    """One inference, by one source: of all layers together."""

    cycles: _Amount | None = None
    instructions: _Count | None = None


class Build(_Document):
    """What one compiler made, in bytes; stack and ram: the most that was used.

    compiler: its version. command, commit: of the run that this is of.
    """

    compiler: str
    command: tuple[str, ...] = ()
    commit: str | None = None
    flash: _Count | None = None
    ram: _Count | None = None
    stack: _Count | None = None
    speed: dict[TimeSource, Speed] = {}


class Baseline(_Document):
    """Figures that were reviewed. accuracy: share of right answers, 0 to 1; error: mean absolute.

    vectors_hash: of the vectors that they are of. builds: by the compiler and its major version.
    """

    schema_: Annotated[Literal["nnom-hil/baseline/1"], Field(alias="schema")] = BASELINE_SCHEMA
    board: str
    model: str
    model_hash: str | None = None
    conversion: str | None = None
    compat: bool = False
    vectors: Annotated[int, Field(gt=0)]
    vectors_hash: _Sha256
    outputs_hash: _Sha256
    accuracy: _Share | None = None
    error: _Amount | None = None
    builds: dict[str, Build]

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def to_json(self) -> str:
        """Return it as JSON text: keys sorted, nothing that is not known, a line a figure."""
        document = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        for build in document["builds"].values():
            build["command"] = " ".join(map(_quoted, build["command"]))
        return json.dumps(document, sort_keys=True, indent=1) + "\n"

    def over(self, known: Self | None) -> Self:
        """Return this baseline with what `known` has of other compilers and other sources of time.

        Figures that are of other outputs are not kept: they are of another model.
        """
        if known is None or known.outputs_hash != self.outputs_hash:
            return self
        builds = dict(known.builds)
        for name, build in self.builds.items():
            before = builds[name].speed if name in builds else {}
            builds[name] = build.model_copy(update={"speed": {**before, **build.speed}})
        return self.model_copy(update={"builds": builds})


class State(StrEnum):
    """held: no worse than allowed. failed: worse, or gone. new: the baseline has no such figure.
    off: the limits leave it out.
    """

    HELD = "held"
    FAILED = "failed"
    NEW = "new"
    OFF = "off"


class Gate(_Document):
    """One figure against the baseline's. expected, actual: None where that side has none.

    unit: what both are in; "" for hashes and words. allowed: in words. source: where the actual
    figure comes from; origin: where the expected one does. detail: what a reader should know.
    """

    name: str
    state: State
    expected: float | str | None = None
    actual: float | str | None = None
    unit: str = ""
    allowed: str = ""
    source: str = ""
    origin: str = ""
    detail: str = ""

    @property
    def change(self) -> float | None:
        """The share by which the figure changed, of a share its difference; None of words."""
        if isinstance(self.expected, str) or isinstance(self.actual, str):
            return None
        if self.expected is None or self.actual is None:
            return None
        if self.unit == "share":
            return self.actual - self.expected
        if self.expected == 0:
            return 0.0 if self.actual == 0 else math.inf
        return self.actual / self.expected - 1


class Comparison(_Document):
    """All gates of a run. baseline: its file, or what it is. notes: what is different, or better,
    and no gate's to judge.
    """

    run: str
    board: str
    model: str
    baseline: str
    gates: tuple[Gate, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no gate failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that failed."""
        return tuple(gate for gate in self.gates if gate.state is State.FAILED)

    def to_json(self) -> str:
        """Return it as JSON text, with the verdict."""
        document = self.model_dump(mode="json")
        document["passed"] = self.passed
        return json.dumps(document, sort_keys=True, indent=2) + "\n"


# ---- files


def baseline_file(folder: Path, board: str, model: str) -> Path:
    """Return where the baseline of a board and a model is; names of others stay in the folder."""
    safe = (re.sub(r"[^A-Za-z0-9_-]", "_", name)[:80] or "_" for name in (board, model))
    return folder / next(safe) / f"{next(safe)}.json"


def load_baseline(path: Path) -> Baseline:
    """Read a baseline; raises UsageError for a file that is none, naming what is wrong."""
    try:
        document = json.loads(read_regular(path, _LIMIT))
        for build in document["builds"].values():
            build["command"] = tuple(_words(build.get("command", "")))
        return Baseline.model_validate(document)
    except OSError as exc:
        raise UsageError(
            f"{path}: cannot read the baseline: {exc.strerror}; make it of a run that is right "
            "with: nnom-hil compare RUN --update"
        ) from exc
    except ValidationError as exc:
        raise UsageError(f"{path}: not a baseline: {first_problem(exc)}") from exc
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise UsageError(
            f"{path}: not a baseline ({type(exc).__name__}: {exc}); make it anew with: "
            "nnom-hil compare RUN --update"
        ) from exc


def update_baseline(path: Path, record: RunRecord) -> Baseline:
    """Write a run's figures into a baseline, beside those of other compilers and sources of time.

    Raises UsageError as baseline_of and load_baseline do, and StoreError.
    """
    known = load_baseline(path) if path.exists() else None
    baseline = baseline_of(record).over(known)
    write_whole(path, baseline.to_json())
    return baseline


def load_limits(path: Path | None) -> Limits:
    """Read limits from TOML, the usual ones without a file.

    Raises UsageError naming file and key.
    """
    return Limits() if path is None else read_toml(path, Limits, what="the gates file")


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)


def _words(text: str) -> list[str]:
    import shlex

    return shlex.split(text)


# ---- figures of a record


def baseline_of(record: RunRecord) -> Baseline:
    """Return a record's figures as a baseline.

    Raises UsageError for a run that did not pass, or is from before records had what it takes.
    """
    if record.verdict is not Verdict.PASS:
        raise UsageError(
            f"run {record.id}: its verdict is {record.verdict}: a baseline is made of a run that "
            "passes; see why with: nnom-hil report"
        )
    if not record.vectors or record.outputs_hash is None or record.vectors_hash is None:
        raise UsageError(
            f"run {record.id}: its record does not tell outputs and vectors; run it again, with "
            "vectors"
        )
    figures = _figures(record)
    return Baseline(
        board=record.board,
        model=record.model,
        model_hash=record.model_hash,
        conversion=record.conversion,
        compat=record.compat,
        vectors=record.vectors,
        vectors_hash=record.vectors_hash,
        outputs_hash=record.outputs_hash,
        accuracy=figures["accuracy"],
        error=figures["error"],
        builds={
            _compiler(record): Build(
                compiler=record.tools.get("compiler", ""),
                command=record.command,
                commit=record.commit,
                flash=figures["flash"],
                ram=figures["ram"],
                stack=figures["stack"],
                speed=_speed(record),
            )
        },
    )


def _figures(record: RunRecord) -> dict[str, Any]:
    memory, regression = record.memory, record.regression
    return {
        "accuracy": None if record.accuracy is None else record.accuracy.quantised,
        "error": None if regression is None else regression.target.mae,
        "flash": record.flash_bytes,
        "ram": record.ram_bytes,
        "stack": None if memory is None else memory.ram_stack,
        "instructions": record.total_instructions,
        # of a process of this machine, and of an emulator's clock, there is only time: no gate's
        "cycles": record.total_cycles if record.time_source.has_cycles else None,
    }


def _speed(record: RunRecord) -> dict[TimeSource, Speed]:
    figures = _figures(record)
    speed = Speed(cycles=figures["cycles"], instructions=figures["instructions"])
    return {} if speed == Speed() else {record.time_source: speed}


def _compiler(record: RunRecord) -> str:
    return compiler_family(record.tools.get("compiler", "unknown compiler"))


# ---- comparison


def evaluate(
    record: RunRecord,
    baseline: Baseline,
    limits: Limits | None = None,
    *,
    name: str = "the baseline",
) -> Comparison:
    """Compare a run with a baseline; name: of the latter, its file.

    Raises UsageError where they are not of the same board and the same vectors.
    """
    _check_same(record, baseline, name)
    limits = limits or Limits()
    gates = (*_answers(record, baseline, limits), *_costs(record, baseline, limits))
    return Comparison(
        run=record.id,
        board=record.board,
        model=record.model,
        baseline=name,
        gates=gates,
        notes=tuple(_notes(record, baseline, gates)),
    )


def _check_same(record: RunRecord, baseline: Baseline, name: str) -> None:
    if record.board != baseline.board:
        raise UsageError(
            f"{name}: it is of board {baseline.board!r}, run {record.id} of {record.board!r}: "
            "nothing of them can be compared"
        )
    planned = record.vectors_planned or record.vectors
    if planned != baseline.vectors:
        raise UsageError(
            f"{name}: it is of {baseline.vectors} vectors, run {record.id} of {planned}: compare a "
            f"run with --limit {baseline.vectors}, or make another baseline with --update"
        )
    if record.vectors_hash != baseline.vectors_hash:
        other = "does not tell its vectors" if record.vectors_hash is None else "has other vectors"
        raise UsageError(
            f"{name}: run {record.id} {other} (data, or their number format): compare a run of the "
            "same, or make another baseline with --update"
        )


def _answers(record: RunRecord, baseline: Baseline, limits: Limits) -> Iterator[Gate]:
    """What must be the same whatever the compiler."""
    passed = record.verdict is Verdict.PASS
    yield Gate(
        name="verdict",
        state=State.HELD if passed else State.FAILED,
        expected=Verdict.PASS.value,
        actual=record.verdict.value,
        allowed="pass",
        source="the run's own",
        detail="" if passed else "; ".join(record.reasons[:3]),
    )
    outputs = Gate(
        name="outputs",
        state=State.HELD if record.outputs_hash == baseline.outputs_hash else State.FAILED,
        expected=baseline.outputs_hash[:12],
        actual=None if record.outputs_hash is None else record.outputs_hash[:12],
        allowed="equal",
        source=f"{record.vectors} vectors",
        detail="" if record.outputs_hash is not None else "not every vector has an answer",
    )
    yield _unless_off(outputs, limits.outputs)
    figures = _figures(record)
    for name, unit in (("accuracy", "share"), ("error", "mean absolute")):
        expected, actual = getattr(baseline, name), figures[name]
        if expected is None and actual is None:
            continue
        gate = Gate(
            name=name, state=State.NEW, expected=expected, actual=actual, unit=unit,
            source=f"{record.vectors} vectors",
        )  # fmt: skip
        yield _judged(gate, getattr(limits, name))


def _costs(record: RunRecord, baseline: Baseline, limits: Limits) -> Iterator[Gate]:
    """What depends on the compiler, and on who counts."""
    compiler = _compiler(record)
    build = baseline.builds.get(compiler)
    if build is None:
        known = ", ".join(sorted(baseline.builds))
        speed, why = None, f"the baseline has nothing of {compiler}, only of {known}"
        build = Build(compiler=compiler)
    else:
        speed, why = _speed_before(build, record.time_source)
    comparable = not build.speed or record.time_source in build.speed
    before = Speed() if speed is None else speed
    measured = record.time_source.words
    if record.error_percent is not None:
        measured += f" ±{record.error_percent:.3g} %"
    figures = _figures(record)
    for name, unit, expected, source in (
        ("instructions", "instructions", before.instructions, "counted on an emulator"),
        ("cycles", "cycles", before.cycles, measured),
        ("flash", "bytes", build.flash, "firmware"),
        ("ram", "bytes", build.ram, "firmware's data, heap and stack as used"),
        ("stack", "bytes", build.stack, "as used"),
    ):
        actual, by_clock = figures[name], name in {"instructions", "cycles"}
        if expected is None and actual is None:
            continue
        gate = Gate(
            name=name, state=State.NEW, expected=expected, actual=actual, unit=unit, source=source,
            origin="" if expected is None else _origin(compiler, build),
            detail=why if by_clock or speed is None else "",
        )  # fmt: skip
        yield _judged(gate, getattr(limits, name), comparable=comparable or not by_clock)


def _speed_before(build: Build, source: TimeSource) -> tuple[Speed, str]:
    """Return what one inference took by the same source, and what is to be said of it.

    A board's cycles are not an emulator's: neither is missed where the other is told. But what one
    emulator told, others can.
    """
    if not build.speed or source in build.speed:
        return build.speed.get(source, Speed()), ""
    others = ", ".join(other.words for other in build.speed)
    why = f"the baseline's is of source {others}, the run's of {source.words}: not compared"
    same_kind = [s for other, s in build.speed.items() if other.is_hardware == source.is_hardware]
    return (same_kind or [Speed()])[0], why


def _judged(gate: Gate, allowed: float | str, *, comparable: bool = True) -> Gate:
    """Return the gate with its state: worse is more, of a share less."""
    if isinstance(allowed, str):
        return _unless_off(gate, allowed)
    falls = gate.unit == "share"
    slack = SLACK.get(gate.name, 0)
    words = f"-{allowed:g} points" if falls else f"+{allowed:g} %"
    words += f" and {slack} B" if slack else ""
    gate = gate.model_copy(update={"allowed": words})
    if not isinstance(gate.expected, (int, float)):
        return gate
    change = gate.change
    if change is None or not comparable:
        detail = gate.detail or "the run does not tell it any more"
        return gate.model_copy(update={"state": State.FAILED, "detail": detail})
    worse = -change if falls else change
    room = slack / gate.expected if slack and gate.expected else 0.0
    held = worse <= allowed / 100 + room + _EXACT
    return gate.model_copy(update={"state": State.HELD if held else State.FAILED})


def _unless_off(gate: Gate, allowed: str) -> Gate:
    if allowed != "off":
        return gate
    return gate.model_copy(update={"state": State.OFF, "allowed": "off"})


def _origin(compiler: str, build: Build) -> str:
    commit, plus, changes = (build.commit or "").partition("+")
    return f"{compiler}, commit {commit[:12]}{plus}{changes}" if commit else compiler


def _notes(record: RunRecord, baseline: Baseline, gates: tuple[Gate, ...]) -> Iterator[str]:
    """What differs beside the figures, and what got better by more than it may get worse."""
    for what, before, now in (
        ("model", baseline.model, record.model),
        ("model's hash", baseline.model_hash, record.model_hash),
        ("conversion", baseline.conversion, record.conversion),
        ("NNoM 0.4.3's own results", baseline.compat, record.compat),
    ):
        if before != now:
            yield f"the {what}: {before} in the baseline, {now} in the run"
    better = [
        f"{gate.name} {gate.change:+.2%}"
        for gate in gates
        if gate.state is State.HELD and gate.change is not None
        and (gate.change > 0 if gate.unit == "share" else gate.change < -0.01)
    ]  # fmt: skip
    if better:
        yield f"better than the baseline: {', '.join(better)}; hold it with --update"
