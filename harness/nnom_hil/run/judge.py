"""Figures of a task: outputs of the target and of Keras against labels; pure."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.model.qgraph import Int8
from nnom_hil.records import Accuracy, Deviation, LabelFigures, MultiLabel, Regression, Task
from nnom_hil.run.task import Head, Output, Truth
from nnom_hil.run.verdict import Predictions, predictions

__all__ = ["CONFUSION_CLASSES", "Answers", "gains", "judge", "most_frequent_mistakes"]

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[Any]

CONFUSION_CLASSES: Final = 100
"""Most classes whose confusion matrix is kept, and counted by the target: it is square."""
_MISTAKES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was answered to the same inputs, (n, outputs) each.

    int8 stands for the numbers (int8 - zero) * scale.
    """

    int8: Int8
    keras: Floats
    scale: float
    zero: int = 0

    @property
    def numbers(self) -> npt.NDArray[np.float64]:
        """The target's answers as the numbers that they stand for."""
        return (self.int8.astype(np.float64) - self.zero) * self.scale


def judge(output: Output, truth: Truth, answers: Answers) -> dict[str, Any]:
    """Return the figures as a record has them; truth: the rows of these answers only."""
    facts: dict[str, Any] = {"task": truth.task}
    labels = np.empty(0) if truth.labels is None else truth.labels
    match truth.task:
        case Task.CLASSIFICATION:
            facts |= _classification(output, labels, answers)
        case Task.BINARY:
            facts |= _binary(output.head.threshold, labels, answers)
        case Task.MULTI_LABEL:
            facts |= _multi_label(output.head.threshold, labels, answers)
        case Task.REGRESSION | Task.RECONSTRUCTION:
            facts["regression"] = Regression(
                target=_deviation(answers.numbers, labels),
                float_=_deviation(answers.keras, labels),
            )
    return facts | _against_float(output, truth.task, answers)


def gains(
    output: Output, truth: Truth, answers: Answers
) -> tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return what each vector is worth, the more the better: its name, of int8 and of Keras (n,).

    Right answers, a share of them where there are several; without labels those that are Keras'
    own; of numbers less the mean absolute error.
    """
    n = len(answers.int8)
    labels = None if truth.labels is None else truth.labels.reshape(n, -1)
    match truth.task:
        case Task.CLASSIFICATION:
            said, keras = _chosen(output, answers)
            return "accuracy", (said == labels).mean(axis=1), (keras == labels).mean(axis=1)
        case Task.BINARY | Task.MULTI_LABEL:
            assert labels is not None
            yes, threshold = labels.astype(bool), output.head.threshold
            right = (_yes(v, threshold) == yes for v in (answers.numbers, answers.keras))
            return ("accuracy", *(each.mean(axis=1) for each in right))
        case Task.NONE if output.head is Head.SOFTMAX and output.classes > 1:
            said, keras = _chosen(output, answers)
            return "agreement with float", (said == keras).mean(axis=1), np.ones(n)
    wanted = answers.keras if labels is None else labels
    errors = (np.abs(v - wanted).mean(axis=1) for v in (answers.numbers, answers.keras))
    return ("mean absolute error", *(-each.astype(np.float64) for each in errors))


def _chosen(output: Output, answers: Answers) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the largest of the classes of each answer, of int8 and of Keras (n, positions)."""
    shape = (len(answers.int8), -1, output.classes)
    return answers.int8.reshape(shape).argmax(axis=2), answers.keras.reshape(shape).argmax(axis=2)


def _classification(output: Output, labels: Labels, answers: Answers) -> dict[str, Any]:
    labels = labels.reshape(-1)
    target = predictions(answers.int8.reshape(-1, output.classes), labels)
    keras = predictions(answers.keras.reshape(-1, output.classes), labels)
    return {
        "accuracy": Accuracy(
            float_=keras.accuracy,
            quantised=target.accuracy,
            top_k=tuple(hits / target.count for hits in target.top_k),
        ),
        **_confusion(target),
    }


def _confusion(target: Predictions) -> dict[str, Any]:
    if len(target.confusion) <= CONFUSION_CLASSES:
        return {"confusion": tuple(tuple(int(v) for v in row) for row in target.confusion)}
    return {"mistakes": most_frequent_mistakes(target.confusion)}


def most_frequent_mistakes(
    confusion: npt.NDArray[np.int64],
) -> tuple[tuple[int, int, int], ...]:
    """Return the most frequent wrong answers as true class, said class, count."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MISTAKES]
    pairs = (np.unravel_index(i, wrong.shape) for i in order)
    return tuple((int(t), int(s), int(wrong[t, s])) for t, s in pairs if wrong[t, s])


def _binary(threshold: float, labels: Labels, answers: Answers) -> dict[str, Any]:
    said, keras = (_yes(v, threshold)[:, 0] for v in (answers.numbers, answers.keras))
    confusion = np.zeros((2, 2), dtype=np.int64)
    np.add.at(confusion, (labels, said.astype(np.int64)), 1)
    share = _share(said == labels)
    return {
        "accuracy": Accuracy(float_=_share(keras == labels), quantised=share, top_k=(share,)),
        "confusion": tuple(tuple(int(v) for v in row) for row in confusion),
    }


def _multi_label(threshold: float, labels: Labels, answers: Answers) -> dict[str, Any]:
    said, keras = (_yes(v, threshold) for v in (answers.numbers, answers.keras))
    labels = labels.astype(bool)
    f1, float_f1 = _f1(said, labels), _f1(keras, labels)
    return {
        "accuracy": Accuracy(
            float_=_share(keras == labels), quantised=_share(said == labels), top_k=()
        ),
        "multi_label": MultiLabel(
            labels=tuple(
                LabelFigures(accuracy=_share(said[:, i] == labels[:, i]), f1=f1[i])
                for i in range(labels.shape[1])
            ),
            f1=_mean(f1),
            exact=_share((said == labels).all(axis=1)),
            float_f1=_mean(float_f1),
            float_exact=_share((keras == labels).all(axis=1)),
        ),
    }


def _yes(values: Floats, threshold: float) -> npt.NDArray[np.bool_]:
    """Return what a single output says: yes from the threshold on, as NNoM has it."""
    return np.asarray(values >= threshold)


def _share(right: npt.NDArray[np.bool_]) -> float:
    return float(right.mean()) if right.size else 0.0


def _f1(said: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> list[float | None]:
    both = (said & true).sum(axis=0)
    either = said.sum(axis=0) + true.sum(axis=0)
    return [float(2 * b / e) if e else None for b, e in zip(both, either, strict=True)]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _deviation(got: Floats, wanted: Floats) -> Deviation:
    error = got.astype(np.float64) - wanted
    squared = float(np.mean(error**2))
    # what is constant has no variance, whatever rounding makes of it
    variance = float(np.var(wanted.astype(np.float64))) if np.ptp(wanted) else 0.0
    return Deviation(
        mae=float(np.mean(np.abs(error))),
        rmse=float(np.sqrt(squared)),
        r2=1.0 - squared / variance if variance > 0 else None,
    )


def _against_float(output: Output, task: Task, answers: Answers) -> dict[str, Any]:
    """Compare the target with Keras: by answers where there are any to choose from, by numbers
    where there are not; without labels the model's last layer decides.
    """
    chooses = output.head is Head.SOFTMAX and output.classes > 1
    if task is Task.CLASSIFICATION or (task is Task.NONE and chooses):
        int8, keras = (v.reshape(-1, output.classes) for v in (answers.int8, answers.keras))
        return {"agreement": _share(int8.argmax(axis=1) == keras.argmax(axis=1))}
    if task in (Task.BINARY, Task.MULTI_LABEL) or (
        task is Task.NONE and output.head is Head.SIGMOID
    ):
        threshold = output.head.threshold
        same = _yes(answers.numbers, threshold) == _yes(answers.keras, threshold)
        return {"agreement": _share(same)}
    return {"against_float": _deviation(answers.numbers, answers.keras)}
