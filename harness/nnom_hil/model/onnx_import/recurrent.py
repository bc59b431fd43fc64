"""What ONNX' recurrent operators become: gates in Keras' order, one layer for each direction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from nnom_hil.model.graph import ActivationKind, CellKind, Concatenate, Rnn
from nnom_hil.model.onnx_import.node import Node, Value
from nnom_hil.model.translation.operations import recurrent, sliced
from nnom_hil.model.translation.parts import floats
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.tensors import Shape, Tensor, canonical, laid_out

__all__ = ["RECURRENT"]

_DIRECTIONS: Final = {"forward": 1, "reverse": 1, "bidirectional": 2}
_GATES: Final = {  # Keras' order, in numbers of ONNX'
    CellKind.SIMPLE: (0,),
    CellKind.GRU: (0, 1, 2),  # z, r, h
    CellKind.LSTM: (0, 2, 3, 1),  # i, f, c, o of i, o, f, c
}
_ACTIVATIONS: Final = {
    CellKind.GRU: ["Sigmoid", "Tanh"],
    CellKind.LSTM: ["Sigmoid", "Tanh", "Tanh"],
}


def _check(node: Node, kind: CellKind, directions: int, steps: int) -> ActivationKind:
    """Refuse what NNoM's cells do not have; return the simple cell's activation."""
    default = _ACTIVATIONS.get(kind, ["Tanh"]) * directions
    names = [
        a.decode() if isinstance(a, bytes) else a for a in node.attribute("activations", default)
    ]
    simple = kind is CellKind.SIMPLE and set(names) in ({"Tanh"}, {"Sigmoid"})
    if names != default and not simple:
        raise UnsupportedLayerError(f"activations {names}: NNoM's cell has tanh and sigmoid")
    if node.attribute("clip", None) or node.attribute("input_forget", 0):
        raise UnsupportedLayerError("clip or input_forget, which NNoM's cells do not have")
    lengths = node.constant(4)
    if lengths is not None and lengths.size and (lengths != steps).any():
        raise UnsupportedLayerError(f"sequences of other lengths than {steps}")
    for i in (5, 6):
        state = node.given(i)
        if isinstance(state, Tensor) or (state is not None and state.any()):
            raise UnsupportedLayerError("an initial state of its own; NNoM's starts from zero")
    peepholes = node.constant(7)
    if peepholes is not None and peepholes.any():
        raise UnsupportedLayerError("peepholes, which NNoM's cell does not have")
    return ActivationKind.SIGMOID if names[0] == "Sigmoid" and simple else ActivationKind.TANH


def _rows(weights: Any, kind: CellKind) -> Any:
    """Return rows (gates * units, ...) with the gates in Keras' order."""
    return np.concatenate([np.split(weights, kind.gates)[g] for g in _GATES[kind]])


def _cells(node: Node, kind: CellKind, activation: ActivationKind, whole: bool) -> list[Rnn]:
    """Return a layer for each direction."""
    weights, inner, biases = floats(node.needed(1)), floats(node.needed(2)), node.constant(3)
    reset_after = bool(node.attribute("linear_before_reset", 0))
    cells = []
    for i in range(len(weights)):
        bias = None
        if biases is not None:
            given, own = (_rows(b, kind) for b in np.split(floats(biases[i]), 2))
            both = kind is CellKind.GRU and reset_after
            bias = np.stack([given, own]) if both else given + own
        cells.append(
            Rnn(
                kind=kind,
                kernel=np.ascontiguousarray(_rows(weights[i], kind).T),
                recurrent=np.ascontiguousarray(_rows(inner[i], kind).T),
                bias=bias,
                activation=activation,
                reset_after=reset_after,
                return_sequence=whole,
            )
        )
    return cells


def _recurrent(kind: CellKind) -> Callable[[Node], Sequence[Value]]:
    def convert(node: Node) -> Sequence[Value]:
        x = node.tensor()
        batch_first = bool(node.attribute("layout", 0))
        time, batch = (1, 0) if batch_first else (0, 1)
        if len(x.shape) != 3 or x.shape[batch] != 1:
            raise UnsupportedLayerError(
                f"its input has shape {x.shape}; (time, batch of 1, features) is needed"
            )
        direction = node.attribute("direction", "forward")
        directions = _DIRECTIONS[direction]
        activation = _check(node, kind, directions, x.shape[time])
        outputs = [*node.proto.output, "", "", ""]
        if kind is CellKind.LSTM and outputs[2] and _is_used(node, outputs[2]):
            raise UnsupportedLayerError("the state of its cells is used; NNoM gives outputs only")
        whole = bool(outputs[0])
        cells = _cells(node, kind, activation, whole)
        if len(cells) != directions or any(len(c.kernel) != x.shape[2] for c in cells):
            raise UnsupportedLayerError("its weights do not fit")
        forward = None if direction == "reverse" else cells[0]
        backward = None
        if direction != "forward":
            backward = replace(cells[-1], go_backwards=True, time_order=whole)
        nodes = recurrent(node.step, x, (time, 2), forward, backward)
        return _results(node, x.shape[time], cells[0].units, nodes, direction, batch_first)

    return convert


def _is_used(node: Node, name: str) -> bool:
    return name in node.uses


def _results(
    node: Node, steps: int, units: int, nodes: Sequence[str], direction: str, batch_first: bool
) -> Sequence[Value]:
    """Return Y, the outputs of all times, and Y_h, the last ones."""
    count = len(nodes)
    add = node.step.nodes.add
    last_shape: Shape = (1, count, units) if batch_first else (count, 1, units)
    wanted = [*node.proto.output, "", ""]
    if not wanted[0]:
        y = nodes[0]
        if count > 1:
            y = add(node.step.name, Concatenate(axis=-1), tuple(nodes))
        return [None, Tensor(node=y, shape=last_shape, order=canonical((count * units,), (0,)))]
    shape: Shape = (1, steps, count, units) if batch_first else (steps, count, 1, units)
    flat_shape = (steps, count * units)
    y = add(node.step.name, Concatenate(axis=-1), tuple(nodes)) if count > 1 else nodes[0]
    whole = Tensor(node=y, shape=shape, order=canonical(flat_shape, (0, 1)))
    if not wanted[1] or not _is_used(node, wanted[1]):
        return [whole]
    ends = []
    for i, name in enumerate(nodes):
        backward = direction == "reverse" or i == 1
        at = 0 if backward else steps - 1
        one = laid_out(name, (steps, units), (0, 1))
        ends.append(sliced(node.step, one, 0, slice(at, at + 1)))
    last = ends[0].node
    if count > 1:
        last = add(node.step.name, Concatenate(axis=-1), tuple(e.node for e in ends))
    order = canonical((1, count * units), (0, 1)).reshape(1, -1)
    return [whole, Tensor(node=last, shape=last_shape, order=order)]


RECURRENT: Mapping[str, Callable[[Node], Sequence[Value]]] = {
    "GRU": _recurrent(CellKind.GRU),
    "LSTM": _recurrent(CellKind.LSTM),
    "RNN": _recurrent(CellKind.SIMPLE),
}
