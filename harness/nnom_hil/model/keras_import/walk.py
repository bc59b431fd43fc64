"""From a Keras model's tensors to the nodes of a float graph."""

from typing import Any

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import FloatGraph
from nnom_hil.model.keras_import.layers import Call, convert
from nnom_hil.model.keras_import.operations import convert_operation, is_operation
from nnom_hil.model.keras_import.translate import CONTAINERS
from nnom_hil.model.translation.place import NodeList, check_size
from nnom_hil.model.translation.problems import (
    Problem,
    UnsupportedLayerError,
    cannot_convert,
)

__all__ = ["to_graph"]


def to_graph(model: Any, shown: str, name: str) -> FloatGraph:
    """Translate a model; shown: how messages call it. Raises ModelError listing every offender."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{shown}: {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "one of each can be converted"
        )
    walk = _Walk()
    result = walk.model(model, None)
    if walk.problems:
        raise ModelError(cannot_convert(shown, walk.problems))
    return walk.list.graph(result, name, shown)


class _Walk:
    """One conversion: the nodes made so far and what could not be converted."""

    def __init__(self) -> None:
        self.list = NodeList()
        self.problems: list[Problem] = []
        self._uses: dict[int, int] = {}

    def model(self, model: Any, source: str | None) -> str:
        """Convert a model, or one inside another reading `source`; return its result's name."""
        done: dict[int, str] = {}
        if source is not None:
            done[id(model.inputs[0])] = source
        stack = [model.outputs[0]]
        while stack:
            tensor = stack[-1]
            if id(tensor) in done:
                stack.pop()
                continue
            operation, index, output = tensor._keras_history
            node = operation._inbound_nodes[index]
            pending = [t for t in node.input_tensors if id(t) not in done]
            if pending:
                stack += reversed(pending)
                continue
            done[id(tensor)] = self._operation(operation, node, output, done)
            stack.pop()
        return done[id(model.outputs[0])]

    def _operation(self, operation: Any, node: Any, output: int, done: dict[int, str]) -> str:
        kind = type(operation).__name__
        sources = tuple(done[id(t)] for t in node.input_tensors)
        shapes = tuple(tuple(t.shape[1:]) for t in node.input_tensors)
        result = tuple(node.output_tensors[output].shape)
        call = Call(
            layer=operation,
            kind=kind,
            name=operation.name,
            sources=sources,
            inputs=shapes,
            output=result[1:],
            batch=result[0] if result else None,
            arguments=tuple(node.arguments.args),
            options=dict(node.arguments.kwargs),
            index=output,
            add=self.list.add,
        )
        try:
            check_size(result[1:])
            if is_operation(operation):
                return convert_operation(call)
            if kind in CONTAINERS:
                if len(operation.inputs) != 1 or len(operation.outputs) != 1:
                    raise UnsupportedLayerError("a model inside with several inputs or outputs")
                return self.model(operation, sources[0])
            self._count(operation, kind)
            return convert(call)
        except UnsupportedLayerError as exc:
            self.problems.append(Problem(operation.name, kind, str(exc)))
            return sources[0] if sources else ""

    def _count(self, layer: Any, kind: str) -> None:
        uses = self._uses[id(layer)] = self._uses.get(id(layer), 0) + 1
        if uses == 2 and getattr(layer, "weights", None):
            raise UnsupportedLayerError(
                "it is used more than once; NNoM's layers own their weights, so give each use a "
                f"{kind} of its own"
            )
