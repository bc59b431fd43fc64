"""The vectors that somebody should look at first: judged wrong, or nearly; pure."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from nnom_hil.model.qgraph import Int8
from nnom_hil.records import WORST_VECTORS, Task, WorstVector
from nnom_hil.run.judge import Answers
from nnom_hil.run.task import Head, Output, Truth

__all__ = ["worst_vectors"]

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64] | None

_INPUT_BYTES: Final = 16 << 10
_OUTPUT_VALUES: Final = 1024


def worst_vectors(
    output: Output,
    truth: Truth,
    answers: Answers,
    x: Int8,
    *,
    vectors: list[int],
    shape: tuple[int, ...],
) -> tuple[WorstVector, ...]:
    """Return the worst answers, worst first: wrong ones by how far, then the least sure.

    truth, answers: of these vectors alone, a row each. vectors: their numbers, which x (n, inputs)
    is asked by. shape: the inputs'.
    """
    far = _far(output, truth, answers)
    order = np.lexsort((~far.wrong, -far.margin if far.is_error else far.margin))
    true, said = _classes(output, truth, answers)
    found = []
    for row in map(int, order[:WORST_VECTORS]):
        given, int8 = x[vectors[row]], answers.int8[row]
        found.append(
            WorstVector(
                vector=vectors[row],
                truth=None if true is None else int(true[row]),
                said=None if said is None else int(said[row]),
                margin=float(far.margin[row]),
                output=tuple(map(int, int8)) if int8.size <= _OUTPUT_VALUES else (),
                shape=shape,
                input=b64encode(given.tobytes()).decode() if given.size <= _INPUT_BYTES else None,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Far:
    """How far each row is from another answer; with is_error from what is right."""

    margin: Floats
    wrong: npt.NDArray[np.bool_]
    is_error: bool = False


def _far(output: Output, truth: Truth, answers: Answers) -> _Far:
    numbers, labels = answers.numbers, truth.labels
    threshold = output.head.threshold
    match truth.task:
        case Task.CLASSIFICATION:
            assert labels is not None
            return _from_other_classes(numbers, output, labels.reshape(-1))
        case Task.NONE if output.head is Head.SOFTMAX and output.classes > 1:
            said = numbers.reshape(-1, output.classes).argmax(axis=1)
            return _from_other_classes(numbers, output, said)
        case Task.BINARY | Task.MULTI_LABEL:
            assert labels is not None
            yes = labels.reshape(numbers.shape) > 0
            margin = np.where(yes, 1.0, -1.0) * (numbers - threshold)
            wrong = ((numbers >= threshold) != yes).any(axis=1)
            return _Far(margin=margin.min(axis=1), wrong=wrong)
        case Task.NONE if output.head is Head.SIGMOID:
            return _Far(margin=np.abs(numbers - threshold).min(axis=1), wrong=_none_of(numbers))
    targets = answers.keras if labels is None else labels
    error = np.abs(numbers - targets).mean(axis=1)
    return _Far(margin=error, wrong=_none_of(numbers), is_error=True)


def _from_other_classes(numbers: Floats, output: Output, classes: npt.NDArray[np.int64]) -> _Far:
    """Compare each class with the best other; of several places of a row the worst counts.

    numbers: (rows, outputs). classes: (rows * places,).
    """
    each = numbers.reshape(-1, output.classes)
    places = np.arange(len(each))
    others = each.copy()
    others[places, classes] = -np.inf
    margin = each[places, classes] - others.max(axis=1)
    wrong = each.argmax(axis=1) != classes  # of equal ones the first is said
    rows = len(numbers)
    return _Far(
        margin=margin.reshape(rows, -1).min(axis=1), wrong=wrong.reshape(rows, -1).any(axis=1)
    )


def _none_of(numbers: Floats) -> npt.NDArray[np.bool_]:
    return np.zeros(len(numbers), dtype=np.bool_)


def _classes(output: Output, truth: Truth, answers: Answers) -> tuple[Classes, Classes]:
    """Return the true class of each row and the one that was said, None where there is not one."""
    numbers = answers.numbers
    if truth.task is Task.BINARY:
        return truth.labels, (numbers[:, 0] >= output.head.threshold).astype(np.int64)
    chooses = output.head is Head.SOFTMAX and output.classes > 1
    if not output.positions and (
        truth.task is Task.CLASSIFICATION or (truth.task is Task.NONE and chooses)
    ):
        return truth.labels, numbers.argmax(axis=1)
    return None, None
