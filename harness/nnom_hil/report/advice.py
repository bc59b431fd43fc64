"""What a reader of a run's report should do next, in a sentence or two."""

import shlex
from typing import Final

from nnom_hil.records import RunRecord, Verdict

__all__ = ["what_next"]

_NOTICED: Final = 0.005
"""A loss of accuracy, 0 to 1, that quantisation is asked about."""


def what_next(record: RunRecord) -> list[str]:
    """Return what to do, the most useful first; each is a sentence."""
    if record.error is not None:
        return [_after_error(record.error.kind, record)]
    if record.verdict is Verdict.PASS:
        if record.outputs_hash is None:  # of firmware that is not ours, or of timing alone
            return ["Nothing needs to be done."]
        held = f"nnom-hil compare {shlex.quote(record.id)}"
        return [f"Nothing needs to be done. Whether it got worse is told by: {held}"]
    steps = []
    if record.outputs_different:
        steps.append(
            "Run again with --kernels plain: if that passes, a kernel for this core is at fault; "
            "if it fails too, the library or the target is."
        )
    steps += _less_than_wanted(record)
    if any(not check.ok for check in record.cross_checks):
        steps.append(
            "What the target printed contradicts what it returned: compare console.log with the "
            "rows below that disagree."
        )
    return steps or ["Look the reason up in docs/trouble.md."]


def _after_error(kind: str, record: RunRecord) -> str:
    if kind == "Interrupted":
        return f"Go on where it was stopped: nnom-hil run --resume {shlex.quote(record.id)}"
    if kind == "InternalError":
        return "This is a fault of nnom-hil: report it with this page and console.log."
    return "The message says what to do; docs/trouble.md has every message."


def _less_than_wanted(record: RunRecord) -> list[str]:
    """What helps against too many wrong answers, or too large an error."""
    lost, accuracy = None, record.accuracy
    if accuracy is not None and record.min_accuracy is not None:
        if accuracy.quantised >= record.min_accuracy:
            return []
        lost = None if accuracy.float_ is None else accuracy.float_ - accuracy.quantised
    elif record.regression is not None and record.max_error is not None:
        target, keras = record.regression.target.mae, record.regression.float_.mae
        if target <= record.max_error:
            return []
        lost = (target - keras) / target if target else None
    else:
        return []
    if lost is not None and lost < _NOTICED:
        return ["The float model is no better: train it further, or ask for less."]
    known = [layer for layer in record.layers if layer.sqnr_db is not None]
    worst = min(known, key=lambda layer: layer.sqnr_db or 0.0, default=None)
    where = f": begin at layer {worst.name}, {worst.sqnr_db:.1f} dB" if worst else ""
    return [f"Quantisation loses it: see nnom-hil convert --report quality.html{where}."]
