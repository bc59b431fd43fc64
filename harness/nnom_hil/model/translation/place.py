"""One operation of a model on its way into a float graph, and the list of nodes that it grows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from nnom_hil.errors import ModelError, NotFiniteError
from nnom_hil.model.graph import FloatGraph, FloatNode, FloatOp, Input, unused_name
from nnom_hil.model.translation.problems import UnsupportedLayerError

__all__ = ["MOST_VALUES", "NodeList", "Place", "check_size"]

MOST_VALUES: Final = 1 << 24
"""Values between two layers."""

_MOST_WEIGHTS: Final = 1 << 26  # several layers may share what a file holds once


@dataclass(frozen=True, kw_only=True)
class Place:
    """One use of an operation. Shapes are the graph's: channels last, without the batch axis.

    kind: what the framework calls the operation. sources: nodes that it reads.
    add(name, op, inputs) adds a node and returns its name.
    """

    kind: str
    name: str
    sources: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    add: Callable[[str, FloatOp, tuple[str, ...]], str]

    def node(self, op: FloatOp, *inputs: str, suffix: str = "") -> str:
        """Add a node that reads `inputs`, or what the operation reads."""
        return self.add(self.name + suffix, op, inputs or self.sources)


class NodeList:
    """The nodes made so far, each under a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[FloatNode] = []
        self._names: set[str] = set()
        self._weights = 0

    def add(self, name: str, op: FloatOp, inputs: tuple[str, ...]) -> str:
        """Add a node and return its name, with a number behind it where it was taken.

        Raises UnsupportedLayerError for more weights than any target has memory for.
        """
        self._weights += sum(
            value.size
            for field in type(op).__dataclass_fields__
            if isinstance(value := getattr(op, field), np.ndarray)
        )
        if self._weights > _MOST_WEIGHTS:
            raise UnsupportedLayerError(f"more than {_MOST_WEIGHTS} weights in all")
        unique = unused_name(name, self._names)
        self._names.add(unique)
        self.nodes.append(FloatNode(name=unique, op=op, inputs=inputs))
        return unique

    def graph(self, result: str, name: str, shown: str) -> FloatGraph:
        """Return what the result needs, which comes last; shown: how messages call the model.

        Raises ModelError where there is no layer, or weights that are no numbers.
        """
        needed = {result}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed |= set(node.inputs)
        nodes = [node for node in self.nodes if node.name in needed]
        nodes.sort(key=lambda node: node.name == result)
        if not isinstance(nodes[0].op, Input) or len(nodes) < 2:
            raise ModelError(
                f"{shown}: cannot be converted: it has no layer that computes anything"
            )
        _check_finite(nodes, shown)
        return FloatGraph(name=name, nodes=tuple(nodes))


def _check_finite(nodes: Sequence[FloatNode], shown: str) -> None:
    for node in nodes:
        for field in getattr(type(node.op), "__dataclass_fields__", {}):
            value = getattr(node.op, field)
            if isinstance(value, np.ndarray) and not np.isfinite(value).all():
                raise NotFiniteError(
                    f"{shown}: layer {node.name}: {field} holds NaN or infinity",
                    layer=node.name,
                    field=field,
                    values=value,
                )


def check_size(shape: Sequence[Any]) -> None:
    """Raise UnsupportedLayerError for more values than any target has memory for."""
    values = math.prod(size or 1 for size in shape)
    if values > MOST_VALUES:
        raise UnsupportedLayerError(
            f"its result has {values} values, more than fit in any Cortex-M's memory"
        )
