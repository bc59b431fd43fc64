"""What the console of somebody else's firmware says, without a tensor: pure.

confusion[true][said] is what prediction_summary() printed. With a model and its vectors, ways of
spoiling the data are tried on the reference: one that gives the very matrix is what the firmware
does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from nnom_hil.diagnosis.data import label_finding, permutation_of
from nnom_hil.diagnosis.target import PrintedLayer
from nnom_hil.explanations import Cause, Confidence, Finding

__all__ = ["PrintedEvidence", "Spoilt", "printed_findings"]

Matrix = npt.NDArray[np.int64]
_MOST_ONE: Final = 0.95
_GAIN: Final = 0.15
_FEW_CLASSES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Spoilt:
    """What the reference answers to data that was spoilt in one way. was: the way; undo: what
    mends it.
    """

    cause: Cause
    was: str
    undo: str
    confusion: Callable[[], Matrix]


@dataclass(frozen=True, kw_only=True)
class PrintedEvidence:
    """What was printed; layers and right: compile log and what it should be, () where unknown.

    confusion: None without one. reference: the reference's, of the same number of vectors.
    spoilt: what may have been done to them. accuracy: Top 1 as printed.
    """

    layers: Sequence[PrintedLayer] = ()
    right: Sequence[PrintedLayer] = ()
    confusion: Matrix | None = None
    reference: Matrix | None = None
    accuracy: float | None = None
    spoilt: Sequence[Spoilt] = ()


def printed_findings(found: PrintedEvidence) -> list[Finding]:
    """Return what can be said of a firmware by its console."""
    result = _layers(found)
    matrix = found.confusion
    if matrix is None or not matrix.sum():
        return result
    if found.reference is not None and np.array_equal(matrix, found.reference):
        return result
    return result or _constant(matrix) or _spoilt(found, matrix) or _labels(found, matrix)


def _layers(found: PrintedEvidence) -> list[Finding]:
    printed, right = list(found.layers), list(found.right)
    if not printed or not right or printed == right:
        return []
    at = next(
        (i for i, (a, b) in enumerate(zip(printed, right, strict=False)) if a != b),
        min(len(printed), len(right)),
    )
    shown = "the end" if at >= len(printed) else _line(printed[at])
    wanted = "the end" if at >= len(right) else _line(right[at])
    twice = at and at < len(printed) and printed[at].type == printed[at - 1].type == "Softmax"
    return [
        Finding(
            cause=Cause.DOUBLE_SOFTMAX if twice else Cause.OTHER_NETWORK,
            confidence=Confidence.CERTAIN,
            layer=f"#{at + 1}",
            says="the firmware takes the softmax of a softmax"
            if twice
            else f"the firmware's network is another than the model from layer #{at + 1} on",
            evidence=(
                f"printed are {len(printed)} layers, the model has {len(right)}; #{at + 1} is "
                f"{shown}, the model's is {wanted}",
            ),
            remedy="convert the model again, build and flash the firmware",
        )
    ]


def _line(layer: PrintedLayer) -> str:
    return f"{layer.type} {'×'.join(map(str, layer.shape))}"


def _constant(matrix: Matrix) -> list[Finding]:
    said = matrix.sum(axis=0)
    most = int(said.argmax())
    share = said[most] / said.sum()
    classes = int((matrix.sum(axis=1) > 0).sum())
    if share < _MOST_ONE or classes < 2:
        return []
    return [
        Finding(
            cause=Cause.CONSTANT_OUTPUT,
            confidence=Confidence.CERTAIN if share == 1.0 else Confidence.LIKELY,
            says=f"the firmware says class {most} whatever it is given",
            evidence=(
                f"{said[most]} of {said.sum()} answers are class {most}, of inputs of {classes} "
                "classes",
            ),
            remedy="look at what writes nnom_input_data: an input that never arrives, that is "
            "scaled to nothing or saturated gives one answer",
        )
    ]


def _spoilt(found: PrintedEvidence, matrix: Matrix) -> list[Finding]:
    for way in found.spoilt:
        if np.array_equal(way.confusion(), matrix):
            right = int(np.trace(matrix))
            return [
                Finding(
                    cause=way.cause,
                    confidence=Confidence.CERTAIN,
                    says=f"the firmware does not prepare its data as training did: {way.was}",
                    evidence=(
                        f"the reference, given such data, answers with the very confusion matrix "
                        f"that the firmware printed: {right} of {matrix.sum()} right",
                    ),
                    remedy=f"in the firmware: {way.undo}",
                )
            ]
    return []


def _labels(found: PrintedEvidence, matrix: Matrix) -> list[Finding]:
    order = permutation_of(matrix)
    if order is None or len(matrix) < _FEW_CLASSES:
        return []
    total = int(matrix.sum())
    before = float(np.trace(matrix)) / total
    after = float(matrix[np.arange(len(matrix)), order].sum()) / total
    if after - before < _GAIN:
        return []
    return [label_finding(order, before, after, total, "the firmware")]
