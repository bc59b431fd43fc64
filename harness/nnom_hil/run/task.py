"""What is judged: follows from what a model's last layer gives and from the labels; pure.

docs/data.md has the whole table. Keras' own conventions decide wherever it has any.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import DataError
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    GlobalPool,
    Input,
    Pool,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.records import Task

__all__ = ["Head", "Output", "Truth", "decide", "head_of"]

Array = npt.NDArray[Any]
_SOFT_SUM = 1e-3


class Head(Enum):
    """What a model's last layer gives: shares, chances, values that are not negative, values."""

    SOFTMAX = auto()
    SIGMOID = auto()
    RELU = auto()
    LINEAR = auto()

    @property
    def words(self) -> str:
        """The head with its article."""
        return {Head.RELU: "a ReLU", Head.LINEAR: "plain values"}.get(
            self, f"a {self.name.lower()}"
        )

    @property
    def threshold(self) -> float:
        """From where on a single output says yes; values of any sign are logits, as in Keras."""
        return 0.0 if self is Head.LINEAR else 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a model gives for one input. shape: as Keras has it, without the batch."""

    shape: tuple[int, ...]
    head: Head

    @property
    def size(self) -> int:
        """Values for one input."""
        return int(np.prod(self.shape))

    @property
    def classes(self) -> int:
        """Classes to choose from, along the last axis; 1 where there are none."""
        return self.shape[-1] if self.shape else 1

    @property
    def positions(self) -> tuple[int, ...]:
        """Shape of the answers, where a class is said for each of several places; axes of 1 left
        out.
        """
        return _squeezed(self.shape[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is judged and by what.

    labels: classification: int64 classes, (n,) or (n, positions). binary: int64 0 or 1, (n,).
    multi_label: int64 0 or 1, (n, outputs). regression, reconstruction: float64 (n, outputs).
    none: None.
    """

    task: Task
    labels: Array | None = None


def head_of(graph: FloatGraph) -> Head:
    """Return what the graph's output is made by, seen through layers that change no value."""
    by_name = {node.name: node for node in graph.nodes}

    def head(node: FloatNode) -> Head:
        match node.op:
            case Softmax():
                return Head.SOFTMAX
            case Activation(kind=ActivationKind.SIGMOID | ActivationKind.HARD_SIGMOID):
                return Head.SIGMOID
            case Activation(kind=ActivationKind.RELU):
                return Head.RELU
            case Activation(kind=ActivationKind.ADV_RELU, negative_slope=0):
                return Head.RELU
            case Flatten() | Reshape() | Cropping() | UpSample():
                return head(by_name[node.inputs[0]])
            case Concatenate():
                parts = {head(by_name[name]) for name in node.inputs}
                # several softmaxes side by side are none
                return parts.pop() if parts in ({Head.SIGMOID}, {Head.RELU}) else Head.LINEAR
            case (
                Input() | Conv() | Dense() | Affine() | Activation() | Pool() | GlobalPool()
                | ZeroPadding() | Combine() | Requantise() | Rnn()
            ):  # fmt: skip
                return Head.LINEAR
            case never:
                assert_never(never)

    return head(graph.nodes[-1])


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis for axis in shape if axis != 1)


def decide(output: Output, x: Array, y: Array | None, *, where: str = "labels") -> Truth:
    """Return what is judged.

    x: the inputs (n, ...). y: n finite numbers, or rows of them. where: file and array, for
    messages. Raises DataError for labels that do not fit the output, with the remedy.
    """
    if y is None:
        return Truth(task=Task.NONE)
    rows = _squeezed(y.shape[1:])
    if rows == _squeezed(output.shape):
        values = y.reshape(len(y), output.size)
        if output.size == 1:
            return _one_value(output, values[:, 0], x, where)
        return _all_values(output, values, x, where)
    if output.size == 1 and rows == (2,) and _is_one_hot(y.reshape(len(y), 2)):
        return Truth(task=Task.BINARY, labels=y.reshape(len(y), 2).argmax(axis=1))
    if output.classes > 1 and rows == output.positions:
        classes = _classes(output, y.reshape(len(y), -1), where)
        return _classification(output, classes)
    raise DataError(f"{where} has shape {y.shape}; {_takes(output)}{_shape_remedy(output, y)}")


def _takes(output: Output) -> str:
    shape = ", ".join(map(str, output.shape))
    forms = []
    if output.classes > 1:
        places = "".join(f"{axis}, " for axis in output.positions)
        forms.append(f"classes 0 to {output.classes - 1} as (n, {places}1) or one-hot")
    forms.append(f"values as (n, {shape})" if output.size > 1 else "one number each, as (n, 1)")
    return f"the model gives (n, {shape}), so that labels are {' or '.join(forms)}"


def _shape_remedy(output: Output, y: Array) -> str:
    rest = "; leave it out to run without labels"
    if y.ndim == 2 and output.classes > 1 and not output.positions and _is_one_hot(y):
        return (
            f"; one-hot rows need {output.classes} columns: keras.utils.to_categorical(classes, "
            f"{output.classes}){rest}"
        )
    if len(y) and int(np.prod(y.shape[1:])) == output.size:
        return f"; y.reshape(-1, {', '.join(map(str, output.shape))}) may be what you mean{rest}"
    return rest


def _one_value(output: Output, y: Array, x: Array, where: str) -> Truth:
    """Judge a single output: 0 and 1 (-1 and 1 for a hinge) are classes, else it is a number."""
    if _within(y, {0, 1}):
        return Truth(task=Task.BINARY, labels=y.astype(np.int64))
    if output.head in (Head.SIGMOID, Head.SOFTMAX) and _is_whole(y):
        _refuse_signs(output, y, where)
        raise _out_of_range(where, y, 2, "a single output tells two classes, 0 and 1; ")
    if _within(y, {-1, 1}):
        return Truth(task=Task.BINARY, labels=(y > 0).astype(np.int64))
    return _targets(output, y[:, np.newaxis], x)


def _all_values(output: Output, y: Array, x: Array, where: str) -> Truth:
    """Judge a value for each output: one-hot, several ones a row, shares, or numbers."""
    n, classes = len(y), output.classes
    by_class = y.reshape(-1, classes)
    if output.head is not Head.SOFTMAX and _is_input(y, x):
        return _targets(output, y, x)
    signs = not _within(y, {0, 1}) and _within(y, {-1, 1})
    if signs and output.head in (Head.SIGMOID, Head.SOFTMAX):
        _refuse_signs(output, y, where)
    ones = by_class > 0 if signs else by_class
    if signs or _within(y, {0, 1}):
        if classes > 1 and _is_one_hot(ones):
            return _classification(output, ones.argmax(axis=1).reshape(n, -1))
        if output.head is not Head.SOFTMAX or classes == 1:
            return Truth(task=Task.MULTI_LABEL, labels=ones.reshape(n, -1).astype(np.int64))
        first = int(np.flatnonzero(by_class.sum(axis=1) != 1)[0])
        raise DataError(
            f"{where} has {int(by_class[first].sum())} ones in row {first}; a softmax says one "
            "class of each row: give one-hot rows, or end the model in a sigmoid for several labels"
        )
    if output.head is Head.SOFTMAX and _are_shares(by_class):
        return _classification(output, by_class.argmax(axis=1).reshape(n, -1))
    return _targets(output, y, x)


def _classification(output: Output, classes: Array) -> Truth:
    labels = classes.astype(np.int64)
    return Truth(task=Task.CLASSIFICATION, labels=labels if output.positions else labels[:, 0])


def _targets(output: Output, y: Array, x: Array) -> Truth:
    """Numbers to come near to; of the inputs themselves where they resemble them."""
    targets = y.astype(np.float64)
    task = Task.REGRESSION
    if output.size > 1 and x[0].size == output.size:
        given = x.reshape(len(x), -1).astype(np.float64)
        # noise or blur taken off: nearer to the inputs than to their own mean
        if np.mean((targets - given) ** 2) < np.var(targets) or np.array_equal(targets, given):
            task = Task.RECONSTRUCTION
    return Truth(task=task, labels=targets)


def _classes(output: Output, y: Array, where: str) -> Array:
    if not _is_whole(y):
        raise DataError(
            f"{where} has shape {y.shape[:1]} and holds {_first(y, y != np.floor(y))}, which is no "
            f"class: whole numbers 0 to {output.classes - 1} are; a regression's targets have the "
            f"output's shape, (n, {', '.join(map(str, output.shape))}); leave it out to run "
            "without labels"
        )
    if int(y.min()) < 0 or int(y.max()) >= output.classes:
        if output.classes == 2:
            _refuse_signs(output, y, where)
        raise _out_of_range(where, y, output.classes, "")
    return y


def _out_of_range(where: str, y: Array, classes: int, why: str) -> DataError:
    value = int(y.min()) if int(y.min()) < 0 else int(y.max())
    remedy = "count them from 0" if value == classes and int(y.min()) == 1 else (
        "leave such rows out, give the model more outputs, or leave the labels out"
    )  # fmt: skip
    return DataError(
        f"{where}: label {value} is out of range: {why}the model has classes 0 to {classes - 1}; "
        f"{remedy}"
    )


def _refuse_signs(output: Output, y: Array, where: str) -> None:
    if -1 in y and _within(y, {-1, 1}):
        raise DataError(
            f"{where} holds -1 and 1; this model, ending in {output.head.words}, has classes 0 "
            "and 1: use (y + 1) // 2"
        )


def _first(y: Array, bad: Array) -> str:
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{y[place]} in row {place[0]}"


def _is_whole(y: Array) -> bool:
    return y.dtype.kind in "iub" or bool((y == np.floor(y)).all())


def _within(y: Array, values: set[int]) -> bool:
    return bool(np.isin(y, list(values)).all())


def _is_one_hot(rows: Array) -> bool:
    """Whether each row has a single one and else zeros."""
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all())


def _are_shares(rows: Array) -> bool:
    """Whether each row is a distribution, such as smoothed one-hot labels."""
    sums = rows.astype(np.float64).sum(axis=1)
    return bool((rows >= 0).all() and (np.abs(sums - 1) < _SOFT_SUM).all())


def _is_input(y: Array, x: Array) -> bool:
    """Whether the targets are the inputs; those were made 32-bit floats."""
    return x[0].size == y.shape[1] and np.array_equal(
        y.astype(np.float32), x.reshape(len(x), -1).astype(np.float32)
    )
