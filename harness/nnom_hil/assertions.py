"""What tests assert of a run's record: each says what was expected, what it is, and where.

Robot's keywords and pytest's fixtures are both made of these. Each raises AssertionError.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from nnom_hil.errors import UsageError, did_you_mean
from nnom_hil.gates import Comparison, baseline_file, evaluate, load_baseline, load_limits
from nnom_hil.paths import baselines_dir
from nnom_hil.records import Accuracy, LayerRecord, RunRecord, Task
from nnom_hil.report.figures import layer_figures, measure_of
from nnom_hil.report.gates import gate_in_words
from nnom_hil.times import TimeSource, check_comparable

__all__ = [
    "accuracy_at_least",
    "accuracy_within",
    "error_at_most",
    "flash_at_most",
    "gates_hold",
    "inference_instructions_at_most",
    "inference_time_at_most",
    "layer_instructions_at_most",
    "layer_time_at_most",
    "layers_are_timed",
    "outputs_equal_reference",
    "outputs_equal_those_of",
    "ram_at_most",
    "stack_at_most",
    "tables_agree",
    "task_is",
    "verdict_is",
]

_TOLD: Final = 5
"""Of the classes and vectors that are wrong; the report has all."""


def verdict_is(record: RunRecord, expected: str) -> None:
    """Fail unless the verdict is expected: pass, fail or error; gives the reasons."""
    if record.verdict != expected:
        reasons = "; ".join(record.reasons) or "no reasons"
        raise AssertionError(f"verdict {record.verdict}, expected {expected}: {reasons}")


def outputs_equal_reference(record: RunRecord) -> None:
    """Fail unless every planned vector's output equals the reference's, byte for byte."""
    if record.outputs_equal:
        return
    message = (
        f"{record.outputs_different} of {record.vectors} outputs differ, expected 0 of "
        f"{record.vectors_planned} planned"
    )
    if (first := record.first_difference) is not None:
        message += (
            f"; the first is vector {first.vector}: expected {list(first.expected)}, "
            f"got {list(first.got)}"
        )
    raise AssertionError(message)


def outputs_equal_those_of(record: RunRecord, other: RunRecord) -> None:
    """Fail unless another run of the same vectors gave the same bytes; raises UsageError where
    they cannot be compared.
    """
    known = all(run.outputs_hash and run.vectors_hash for run in (record, other))
    if not known or record.vectors_hash != other.vectors_hash:
        why = "they are of other vectors" if known else "not all vectors were answered"
        raise UsageError(
            f"the outputs of runs {record.id} and {other.id} cannot be compared: {why}"
        )
    if record.outputs_hash != other.outputs_hash:
        raise AssertionError(
            f"outputs {record.outputs_hash}, expected {other.outputs_hash} as in run {other.id}"
        )


def task_is(record: RunRecord, expected: str) -> None:
    """Fail unless this was judged: classification, binary, multi_label, regression,
    reconstruction, none.
    """
    if record.task != expected:
        raise AssertionError(f"judged as {record.task}, expected {expected}")


def _accuracy(record: RunRecord) -> Accuracy:
    if record.accuracy is None:
        task = record.task or Task.NONE
        raise AssertionError(f"there is no accuracy: this was judged as {task.words}")
    return record.accuracy


def _wrong(record: RunRecord) -> str:
    """Return which classes are taken for which, and vectors with wrong answers."""
    confused: Iterable[tuple[int, int, int]] = record.mistakes
    if record.confusion is not None:
        confused = [
            (true, said, count)
            for true, row in enumerate(record.confusion)
            for said, count in enumerate(row)
            if count and true != said
        ]
    parts = [
        f"class {true} was taken for {said} ({count} times)" if count > 1
        else f"class {true} was taken for {said}"
        for true, said, count in sorted(confused, key=lambda c: -c[2])[:_TOLD]
    ]  # fmt: skip
    vectors = [str(w.vector) for w in record.worst if w.truth is not None and w.truth != w.said]
    parts += [f"vectors {', '.join(vectors[:_TOLD])}"] if vectors else []
    return "; ".join(["", *parts])


def accuracy_at_least(record: RunRecord, share: float) -> float:
    """Fail if the target's share of right answers is below share, 0 to 1; return it.

    Of several labels for each input, it is the share of all labels that are right.
    """
    accuracy = _accuracy(record)
    if accuracy.quantised < share:
        raise AssertionError(
            f"accuracy {accuracy.quantised:.4f}, required {share:.4f}{_wrong(record)}"
        )
    return accuracy.quantised


def accuracy_within(record: RunRecord, points: float) -> None:
    """Fail if accuracy on the target is more than that many percentage points below float."""
    accuracy = _accuracy(record)
    if accuracy.float_ is None:
        raise AssertionError("the float model's accuracy is not known")
    lost = 100 * (accuracy.float_ - accuracy.quantised)
    if lost > points:
        raise AssertionError(
            f"accuracy is {lost:.2f} points below float, allowed {points}{_wrong(record)}"
        )


def error_at_most(record: RunRecord, error: float) -> float:
    """Fail if the mean absolute error on the target, against the targets, is above error, in the
    model's own units; return it.
    """
    if record.regression is None:
        task = record.task or Task.NONE
        raise AssertionError(f"there is no error: this was judged as {task.words}")
    mae = record.regression.target.mae
    if mae > error:
        vectors = ", ".join(str(w.vector) for w in record.worst[:_TOLD])
        where = f"; the worst vectors: {vectors}" if vectors else ""
        raise AssertionError(f"mean absolute error {mae:.6g}, allowed {error:g}{where}")
    return mae


def layers_are_timed(record: RunRecord) -> None:
    """Fail if any layer has no time, or no instructions where an emulator counts them."""
    figures = layer_figures(record)
    without = [f.layer.name for f in figures if not f.amount]
    if without or not figures:
        raise AssertionError(f"layers without a time: {without or 'all, none was timed'}")


def _source(name: str) -> TimeSource:
    known = list(TimeSource)
    if name not in known:
        hint = did_you_mean(name, known)
        raise UsageError(f"no source of time {name!r}; known: {', '.join(known)}{hint}")
    return TimeSource(name)


def _layer(record: RunRecord, name: str) -> LayerRecord:
    names = [layer.name for layer in record.layers]
    if name not in names:
        hint = did_you_mean(name, names)
        raise UsageError(f"the model has no layer {name!r}; its layers: {', '.join(names)}{hint}")
    return record.layers[names.index(name)]


def _time_at_most(
    record: RunRecord, actual: float | None, us: float, source: str, what: str
) -> float:
    check_comparable(record.time_source, _source(source))
    if actual is None:
        raise AssertionError(f"{what} has no time: the layers were not timed")
    if actual > us:
        raise AssertionError(
            f"{what}: {actual:.1f} µs ({measure_of(record).source}), allowed {us:g}"
        )
    return actual


def _instructions_at_most(record: RunRecord, actual: int | None, count: int, what: str) -> int:
    if actual is None:
        source = measure_of(record).source
        raise AssertionError(f"{what}: no instructions were counted: the source is {source}")
    if actual > count:
        raise AssertionError(f"{what}: {actual} instructions, allowed {count}")
    return actual


def inference_time_at_most(record: RunRecord, us: float, source: str) -> float:
    """Fail if an inference takes more than us microseconds by source, or if its time is anything
    else's; return it.

    source: dwt or systick (cycles of a real core), model (cycles estimated), host. Raises
    UsageError for a source that there is not, or times that cannot be compared.
    """
    return _time_at_most(record, record.total_time_us, us, source, "an inference")


def layer_time_at_most(record: RunRecord, layer: str, us: float, source: str) -> float:
    """Fail as inference_time_at_most does, of one layer by its name."""
    return _time_at_most(record, _layer(record, layer).time_us, us, source, f"layer {layer}")


def inference_instructions_at_most(record: RunRecord, count: int) -> int:
    """Fail if an inference takes more instructions, or if none were counted; return them."""
    return _instructions_at_most(record, record.total_instructions, count, "an inference")


def layer_instructions_at_most(record: RunRecord, layer: str, count: int) -> int:
    """Fail if a layer takes more instructions, or if none were counted; return them."""
    return _instructions_at_most(
        record, _layer(record, layer).instructions, count, f"layer {layer}"
    )


def _bytes_at_most(actual: int | None, limit: int, what: str, why: str) -> int:
    if actual is None:
        raise AssertionError(f"{what} is not known: {why}")
    if actual > limit:
        raise AssertionError(f"{what}: {actual} bytes, allowed {limit}")
    return actual


def flash_at_most(record: RunRecord, limit: int) -> int:
    """Fail if the firmware takes more bytes of flash; return them."""
    return _bytes_at_most(record.flash_bytes, limit, "flash", "nothing was built")


def ram_at_most(record: RunRecord, limit: int) -> int:
    """Fail if static data, heap and stack take more bytes than that together; return them."""
    return _bytes_at_most(record.ram_bytes, limit, "RAM", "the target does not measure it")


def stack_at_most(record: RunRecord, limit: int) -> int:
    """Fail if the stack was ever deeper than that many bytes; return its depth."""
    stack = record.memory.ram_stack if record.memory is not None else None
    return _bytes_at_most(stack, limit, "stack", "the target does not measure it")


def tables_agree(record: RunRecord) -> None:
    """Fail if what the target printed contradicts what it returned, or was not compared."""
    wrong = [f"{check.what}: {check.detail}" for check in record.cross_checks if not check.ok]
    if wrong or not record.cross_checks:
        raise AssertionError("; ".join(wrong) or "nothing was compared")


def gates_hold(
    record: RunRecord, baseline: Path | None = None, gates: Path | None = None
) -> Comparison:
    """Fail if the run is worse than its baseline by more than the gates allow (docs/gates.md).

    baseline: a file, else reports/baselines/<board>/<model>.json. gates: a TOML file of what is
    allowed. Raises UsageError for files that are none, or of other vectors.
    """
    file = baseline or baseline_file(baselines_dir(), record.board, record.model)
    comparison = evaluate(record, load_baseline(file), load_limits(gates), name=str(file))
    if not comparison.passed:
        raise AssertionError("; ".join(gate_in_words(gate) for gate in comparison.failed))
    return comparison
