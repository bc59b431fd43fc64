"""A model of tensors that became a float graph, and its own runtime's answers beside it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import FloatGraph
from nnom_hil.model.translation.place import NodeList
from nnom_hil.model.translation.problems import Problem, UnsupportedLayerError, cannot_convert
from nnom_hil.model.translation.tensors import Shape, Tensor, axes_of
from nnom_hil.model.translation.tidy import tidied

__all__ = ["Attempt", "ImportedModel", "Translation", "best_of"]

Floats = npt.NDArray[np.float32]
Ask = Callable[[Floats, Sequence[str]], Mapping[str, npt.NDArray[Any]]]
"""Vectors (n, *input shape) as the model takes them, and tensors' names, to their values."""

TOLERANCE: Final = 1e-4
"""Of the range of an output or tensor: what two orders of summing floats may differ by."""

_MOST_CHECKED: Final = 128


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A float graph, and which of its nodes holds which tensor of the model, in their order.

    given, result: the model's input and output. labels: what messages call a tensor, where that is
    not its name.
    """

    graph: FloatGraph
    given: Tensor
    result: Tensor
    result_name: str
    tensors: Mapping[str, Tensor]
    labels: Mapping[str, str]


def _output(tensor: Tensor) -> Tensor:
    """Return the tensor as the model's result; raises UnsupportedLayerError.

    Data of one axis must be in the model's own order, because users count classes by it.
    """
    if tensor.shape[:1] != (1,):
        raise UnsupportedLayerError(f"shape {tensor.shape}: its first axis is not the batch")
    try:
        axes_of(tensor)
    except UnsupportedLayerError as exc:
        raise UnsupportedLayerError(
            "its values are put into one row in an order of axes that the graph's data, which is "
            "channels last, does not have; leave out the reshape or flatten at the end"
        ) from exc
    return tensor


class ImportedModel:
    """A model file's float graph, and what the original runtime answers.

    shown: how messages call the model; runtime: the name of what `ask` asks.
    """

    def __init__(self, shown: str, runtime: str, translation: Translation, ask: Ask) -> None:
        self._shown = shown
        self._runtime = runtime
        self._translation = translation
        self._ask = ask
        self.graph = translation.graph

    @property
    def input_shape(self) -> Shape:
        """Shape of one vector, as the model takes it: channels first in most ONNX models."""
        return self._translation.given.shape[1:]

    @property
    def output_shape(self) -> Shape:
        """Shape of what the graph gives for one vector."""
        return self._translation.result.order.shape

    def placed(self, x: Floats) -> Floats:
        """Return vectors (n, *input_shape) as the graph takes them."""
        given = self._translation.given
        return np.ascontiguousarray(x.reshape(len(x), -1)[:, given.order])

    def labels(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels of the shape of the model's output in the order of the graph's."""
        result = self._translation.result
        if result.order.ndim == 1 or y.shape[1:] != result.shape[1:]:
            return y
        return y.reshape(len(y), -1)[:, result.order]

    def predict(self, x: Floats) -> Floats:
        """Return the runtime's outputs (n, outputs) for x as the graph takes it, in its order."""
        name = self._translation.result_name
        return self._in_order(self._ask(self._unplaced(x), [name])[name], self._translation.result)

    def check(self, x: Floats) -> None:
        """Compare graph and runtime on some of x, as the graph takes it.

        Raises ModelError naming the first tensor that differs by more than TOLERANCE of its range.
        """
        x = x[np.linspace(0, len(x) - 1, min(len(x), _MOST_CHECKED)).astype(int)]
        result = self._translation.result
        if self._error(run_float(self.graph, x)[result.node], self.predict(x)) <= TOLERANCE:
            return
        x = x[: _MOST_CHECKED // 8]
        names = list(self._translation.tensors)
        values, ours = self._ask(self._unplaced(x), names), run_float(self.graph, x)
        for name in names:
            tensor = self._translation.tensors[name]
            if tensor.node not in ours:
                continue
            error = self._error(ours[tensor.node], self._in_order(values[name], tensor))
            if error > TOLERANCE:
                where = (
                    f"begins at tensor {name!r} (layer {tensor.node!r}), {error:.2g} of its range"
                )
                break
        else:
            where = "is in the result alone"
        raise ModelError(
            f"{self._shown}: the float graph does not compute what {self._runtime} does: the "
            f"difference {where}; this is a fault of nnom-hil, please report it with the model"
        )

    def _unplaced(self, x: Floats) -> Floats:
        given = self._translation.given
        flat = np.empty((len(x), given.size), np.float32)
        flat[:, given.order.reshape(-1)] = x.reshape(len(x), -1)
        return flat.reshape(len(x), *given.shape[1:])

    @staticmethod
    def _in_order(values: npt.NDArray[Any], tensor: Tensor) -> Floats:
        flat = values.astype(np.float32).reshape(-1, tensor.size)
        return np.ascontiguousarray(flat[:, tensor.order.reshape(-1)])

    @staticmethod
    def _error(ours: Floats, theirs: Floats) -> float:
        """Return the largest difference over the range of what the runtime gives."""
        span = float(np.ptp(theirs)) or float(np.abs(theirs).max()) or 1.0
        error = float(np.abs(ours.reshape(theirs.shape) - theirs).max()) / span
        return error if np.isfinite(error) else float("inf")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A translation with one order of the input's axes; problems: what could not be converted."""

    nodes: NodeList
    given: Tensor
    result: Tensor
    result_name: str
    tensors: Mapping[str, Tensor]
    problems: Sequence[Problem]
    labels: Mapping[str, str] = field(default_factory=dict)


def best_of(
    attempt: Callable[[Shape], Attempt], orders: Iterable[Shape], name: str, shown: str
) -> Translation:
    """Return the translation with the first order of the input's axes that all operators can take.

    orders: axes of the input, without the batch. Raises ModelError listing what the best of them
    could not convert.
    """
    made: list[Attempt] = []
    for axes in orders:
        made.append(attempt(axes))
        if not made[-1].problems:
            break
    best = min(made, key=lambda one: len(one.problems))
    if best.problems:
        raise ModelError(cannot_convert(shown, best.problems))
    try:
        result = _output(best.result)
    except UnsupportedLayerError as exc:
        raise ModelError(
            cannot_convert(shown, [Problem(best.result_name, "output", str(exc))])
        ) from exc
    return Translation(
        graph=tidied(best.nodes.graph(result.node, name, shown)),
        given=best.given,
        result=result,
        result_name=best.result_name,
        tensors=best.tensors,
        labels=best.labels,
    )
