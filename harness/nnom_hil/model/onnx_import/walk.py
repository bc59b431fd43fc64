"""From an ONNX model's operators to the nodes of a float graph."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.onnx_import.constants import FOLDED, folded
from nnom_hil.model.onnx_import.load import array_of
from nnom_hil.model.onnx_import.operators import OPERATORS, Node, remedy_for
from nnom_hil.model.translation.imported import Attempt, Translation, best_of
from nnom_hil.model.translation.operations import Step, add_input, add_unknown
from nnom_hil.model.translation.place import MOST_VALUES, NodeList, check_size
from nnom_hil.model.translation.problems import (
    Problem,
    UnsupportedLayerError,
    cannot_convert,
    one_line,
)
from nnom_hil.model.translation.tensors import Shape, Tensor

__all__ = ["to_graph"]

Array = npt.NDArray[Any]

_FLOAT: Final = 1  # of TensorProto.DataType
_MOST_CONSTANTS: Final = 2 * MOST_VALUES
_FAULTS: Final = (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError)


def to_graph(proto: Any, shown: str, name: str) -> Translation:
    """Translate a model; shown: how messages call it. Raises ModelError listing every offender."""
    weights = _weights(proto, shown)
    inputs = [i for i in proto.graph.input if i.name not in weights]
    outputs = list(proto.graph.output)
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"{shown}: {len(inputs)} inputs and {len(outputs)} outputs; one of each can be "
            "converted"
        )
    shape = _input_shape(inputs[0], shown)

    def attempt(axes: Shape) -> Attempt:
        walk = _Walk(proto, weights)
        step = Step(kind="Input", name=str(inputs[0].name), nodes=walk.nodes)
        walk.values[inputs[0].name] = add_input(step, shape, axes)
        walk.run()
        return walk.ended(inputs[0].name, outputs[0].name)

    last = tuple(range(1, len(shape)))
    first = (*last[1:], 1)  # the channels, which stand behind the batch, come last
    return best_of(attempt, dict.fromkeys([first, last]), name, shown)


def _weights(proto: Any, shown: str) -> dict[str, Array]:
    found, problems = {}, []
    for tensor in proto.graph.initializer:
        try:
            found[str(tensor.name)] = array_of(tensor)
        except _FAULTS as exc:
            problems.append(Problem(str(tensor.name), "weights", one_line(exc)))
    if problems:
        raise ModelError(cannot_convert(shown, problems))
    return found


def _input_shape(given: Any, shown: str) -> Shape:
    """Return the input's shape with a batch of 1."""
    kind = given.type.tensor_type
    dims = [
        int(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim
    ]
    if not given.type.HasField("tensor_type") or kind.elem_type != _FLOAT:
        raise ModelError(
            f"{shown}: its input {given.name!r} is no tensor of 32-bit floats; export the model "
            "in float32"
        )
    told = f"{shown}: its input {given.name!r} has shape ({', '.join(map(str, dims))})"
    if not 2 <= len(dims) <= 4:
        raise ModelError(f"{told}; a batch and one to three axes are needed")
    if isinstance(dims[0], int) and dims[0] != 1:
        raise ModelError(
            f"{told}: the first axis is the batch, which must be 1 or open; export it with a batch "
            "of 1, or with dynamic_shapes"
        )
    if not all(isinstance(d, int) and d > 0 for d in dims[1:]):
        raise ModelError(f"{told}: only the batch may be open; export it with every other size")
    shape = (1, *(int(d) for d in dims[1:]))
    try:
        check_size(shape)
    except UnsupportedLayerError as exc:
        raise ModelError(f"{told}: {exc}") from exc
    return shape


class _Walk:
    """One conversion: what each name stands for, and what could not be converted.

    A value is None where it cannot be known, because what it is made of was not converted.
    """

    def __init__(self, proto: Any, weights: dict[str, Array]) -> None:
        self.nodes = NodeList()
        self.values: dict[str, Tensor | Array | None] = dict(weights)
        self._graph = proto.graph
        self._opset = next(o.version for o in proto.opset_import if o.domain in {"", "ai.onnx"})
        self._uses = {i for n in proto.graph.node for i in n.input}
        self._uses |= {o.name for o in proto.graph.output}
        self._problems: list[Problem] = []
        self._constants = 0
        self._shapes = {v.name: v for v in (*proto.graph.value_info, *proto.graph.output)}

    def run(self) -> None:
        """Convert every operator in the order in which they are listed."""
        for number, node in enumerate(self._graph.node):
            name = _name_of(node, number)
            results: Sequence[Tensor | Array | None]
            try:
                results = self._results(node, name)
            except UnsupportedLayerError as exc:
                self._problems.append(Problem(name, str(node.op_type), str(exc)))
                results = [self._unknown(node, name)]
            except _FAULTS as exc:
                reason = f"its attributes and inputs do not fit: {one_line(exc)}"
                self._problems.append(Problem(name, str(node.op_type), reason))
                results = [None]
            for i, output in enumerate(node.output):
                if output:
                    self.values[output] = results[i] if i < len(results) else None

    def ended(self, given: str, result: str) -> Attempt:
        """Return what came of it."""
        y, x = self.values.get(result), self.values[given]
        assert isinstance(x, Tensor)
        problems = self._problems
        if not problems and not isinstance(y, Tensor):
            problems = [Problem(str(result), "output", "no operator gives it from the input")]
        tensors = {n: t for n, t in self.values.items() if isinstance(t, Tensor) and n != given}
        return Attempt(
            nodes=self.nodes,
            given=x,
            result=y if isinstance(y, Tensor) else x,
            result_name=result,
            tensors=tensors,
            problems=problems,
        )

    def _results(self, node: Any, name: str) -> Sequence[Tensor | Array | None]:
        if node.domain not in {"", "ai.onnx"}:
            raise UnsupportedLayerError(f"an operator of {node.domain}'s, not of ONNX's")
        if taken := [o for o in node.output if o in self.values]:
            raise UnsupportedLayerError(f"{taken[0]!r} is given twice; export the model again")
        missing = [i for i in node.input if i and i not in self.values]
        if missing:
            raise UnsupportedLayerError(
                f"it reads {missing[0]!r}, which nothing before it gives; export the model again"
            )
        inputs = [self.values[i] if i else None for i in node.input]
        kind = str(node.op_type)
        if kind == "Constant" or (
            kind in FOLDED and inputs and all(isinstance(v, np.ndarray) for v in inputs)
        ):
            return self._folded(node)
        if kind not in OPERATORS:
            raise UnsupportedLayerError(remedy_for(kind))
        if any(v is None and i for i, v in zip(node.input, inputs, strict=True)):
            return [None]  # the reason is told where it begins
        step = Step(kind=kind, name=name, nodes=self.nodes)
        return OPERATORS[kind](
            Node(step=step, proto=node, inputs=inputs, opset=self._opset, uses=self._uses)
        )

    def _folded(self, node: Any) -> Sequence[Array]:
        known = {i: v for i in node.input if isinstance(v := self.values[i], np.ndarray)}
        results = folded(node, known, self._opset)
        self._constants += sum(result.size for result in results)
        if self._constants > _MOST_CONSTANTS:
            raise UnsupportedLayerError(f"more than {_MOST_CONSTANTS} constants are computed")
        return results

    def _unknown(self, node: Any, name: str) -> Tensor | None:
        """Return what stands for a result, of the shape that the file says it has."""
        info = self._shapes.get(node.output[0]) if node.output else None
        if info is None:
            first = self.values.get(node.input[0]) if node.input else None
            return first if isinstance(first, Tensor) else None
        dims = [int(d.dim_value) for d in info.type.tensor_type.shape.dim]
        shape = tuple(dims[:1] and [1]) + tuple(dims[1:])
        if not dims or min(shape) < 1 or np.prod(shape, dtype=float) > MOST_VALUES:
            return None
        return add_unknown(Step(kind="", name=name, nodes=self.nodes), shape)


def _name_of(node: Any, number: int) -> str:
    """Return a name for a layer: the node's, or what its result is called."""
    named = node.name or next(iter(node.output), "") or f"{node.op_type}_{number}"
    return str(named).lstrip("/").replace("/", "_") or f"node_{number}"
