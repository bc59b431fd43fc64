"""From a TFLite model's operators to the nodes of a float graph."""

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from nnom_hil.errors import ModelError
from nnom_hil.model.tflite_import.constants import FOLDED, folded
from nnom_hil.model.tflite_import.load import LoadedTflite, Operator, TensorInfo
from nnom_hil.model.tflite_import.node import Node, Value
from nnom_hil.model.tflite_import.operators import OPERATORS, remedy_for
from nnom_hil.model.translation.imported import Attempt, Translation, best_of
from nnom_hil.model.translation.operations import Step, add_input, add_unknown
from nnom_hil.model.translation.place import MOST_VALUES, NodeList, check_size
from nnom_hil.model.translation.problems import Problem, UnsupportedLayerError, one_line
from nnom_hil.model.translation.tensors import Shape, Tensor

__all__ = ["to_graph"]

_QUANTISED: Final = {"INT8", "UINT8", "INT16"}
_MOST_CONSTANTS: Final = 2 * MOST_VALUES
_FAULTS: Final = (
    ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError, struct.error,
)  # fmt: skip


def to_graph(model: LoadedTflite, shown: str, name: str) -> Translation:
    """Translate a model; shown: how messages call it. Raises ModelError listing every offender."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{shown}: {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each "
            "can be converted"
        )
    (given,), (result,) = model.inputs, model.outputs
    if min(given, result) < 0:
        raise ModelError(f"{shown}: damaged: its input or output is no tensor")
    shape = _input_shape(model.tensors[given], shown)

    def attempt(axes: Shape) -> Attempt:
        walk = _Walk(model)
        step = Step(kind="Input", name=_short(model.tensors[given].name), nodes=walk.nodes)
        walk.values[given] = add_input(step, shape, axes)
        walk.run()
        return walk.ended(given, result)

    last = tuple(range(1, len(shape)))
    first = (*last[1:], 1)  # of a model that was channels first before
    return best_of(attempt, dict.fromkeys([last, first]), name, shown)


def _input_shape(info: TensorInfo, shown: str) -> Shape:
    """Return the input's shape with a batch of 1."""
    if info.kind in _QUANTISED:
        raise ModelError(
            f"{shown}: its input is {info.kind.lower()}: this file is quantised already; give the "
            "float model, which nnom-hil quantises itself"
        )
    if info.kind != "FLOAT32":
        raise ModelError(f"{shown}: its input is {info.kind.lower()}; 32-bit floats are needed")
    told = f"{shown}: its input has shape {info.signature}"
    if not 2 <= len(info.signature) <= 4:
        raise ModelError(f"{told}; a batch and one to three axes are needed")
    if info.signature[0] not in {-1, 1}:
        raise ModelError(
            f"{told}: the first axis is the batch, which must be 1 or open; convert it so"
        )
    if min(info.signature[1:]) < 1:
        raise ModelError(f"{told}: only the batch may be open; convert it with every other size")
    shape = (1, *info.signature[1:])
    try:
        check_size(shape)
    except UnsupportedLayerError as exc:
        raise ModelError(f"{told}: {exc}") from exc
    return shape


class _Walk:
    """One conversion: what each tensor stands for, and what could not be converted.

    A value is None where it cannot be known, because what it is made of was not converted.
    """

    def __init__(self, model: LoadedTflite) -> None:
        self.nodes = NodeList()
        self.values: dict[int, Value] = {
            i: info.constant for i, info in enumerate(model.tensors) if info.constant is not None
        }
        self._model = model
        self._problems: list[Problem] = []
        self._constants = 0

    def run(self) -> None:
        """Convert every operator in the order in which they are listed."""
        for number, operator in enumerate(self._model.operators):
            name = self._name_of(operator, number)
            results: Sequence[Value]
            try:
                results = self._results(operator, name)
            except UnsupportedLayerError as exc:
                self._problems.append(Problem(name, operator.kind, str(exc)))
                results = [self._unknown(i, name) for i in operator.outputs]
            except _FAULTS as exc:
                reason = f"its options and inputs do not fit: {one_line(exc)}"
                self._problems.append(Problem(name, operator.kind, reason))
                results = []
            for i, output in enumerate(operator.outputs):
                self.values[output] = results[i] if i < len(results) else None

    def ended(self, given: int, result: int) -> Attempt:
        """Return what came of it."""
        y, x = self.values.get(result), self.values[given]
        assert isinstance(x, Tensor)
        problems = self._problems
        if not problems and not isinstance(y, Tensor):
            problems = [Problem(str(result), "output", "no operator gives it from the input")]
        found = {i: t for i, t in self.values.items() if isinstance(t, Tensor) and i != given}
        return Attempt(
            nodes=self.nodes,
            given=x,
            result=y if isinstance(y, Tensor) else x,
            result_name=str(result),
            tensors={str(i): t for i, t in found.items()},
            labels={str(i): self._model.tensors[i].name for i in found},
            problems=problems,
        )

    def _results(self, operator: Operator, name: str) -> Sequence[Value]:
        if taken := [o for o in operator.outputs if o < 0 or o in self.values]:
            raise UnsupportedLayerError(f"tensor {taken[0]} is given twice; convert it again")
        infos = [self._model.tensors[i] if i >= 0 else None for i in operator.inputs]
        self._check_known(operator, infos)
        inputs = [self.values.get(i) for i in operator.inputs]
        kind = operator.kind
        step = Step(kind=kind, name=name, nodes=self.nodes)
        node = Node(step=step, operator=operator, inputs=inputs, infos=infos)
        constants = [v for v in inputs if isinstance(v, np.ndarray)]
        if kind in FOLDED and inputs and len(constants) == len(inputs):
            return self._folded(node, constants)
        if kind not in OPERATORS:
            raise UnsupportedLayerError(remedy_for(kind))
        known = zip(inputs, infos, strict=True)
        if any(v is None and info is not None and not info.variable for v, info in known):
            return []  # the reason is told where it begins
        return OPERATORS[kind](node)

    def _check_known(self, operator: Operator, infos: Sequence[TensorInfo | None]) -> None:
        for i, info in zip(operator.inputs, infos, strict=True):
            if info is not None and i not in self.values and not info.variable:
                raise UnsupportedLayerError(f"it reads tensor {i}, which nothing gives before")

    def _folded(self, node: Node, constants: Sequence[np.ndarray]) -> Sequence[Value]:
        results = folded(node, constants)
        self._constants += sum(result.size for result in results)
        if self._constants > _MOST_CONSTANTS:
            raise UnsupportedLayerError(f"more than {_MOST_CONSTANTS} constants are computed")
        return results

    def _unknown(self, output: int, name: str) -> Tensor | None:
        """Return what stands for a result, of the shape that the file says it has."""
        shape = self._model.tensors[output].shape if output >= 0 else ()
        if not shape or min(shape) < 1 or np.prod(shape, dtype=float) > MOST_VALUES:
            return None
        return add_unknown(Step(kind="", name=name, nodes=self.nodes), shape)

    def _name_of(self, operator: Operator, number: int) -> str:
        output = next(iter(operator.outputs), -1)
        name = self._model.tensors[output].name if output >= 0 else ""
        return _short(name) or f"{operator.kind.lower()}_{number}"


def _short(name: str) -> str:
    """Return a layer's name of a tensor's: the first of those fused, without the model's own."""
    parts = name.split(";", maxsplit=1)[0].split(":", maxsplit=1)[0].split("/")
    return "_".join(parts[1:] or parts)[-60:]
