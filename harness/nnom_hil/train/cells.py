"""Recurrent cells in floating point, for gradients: what the integers of a QRnn stand for."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nnom_hil.model.graph import ActivationKind, CellKind
from nnom_hil.model.qgraph import QRnn

__all__ = ["run_cell"]

State = tuple[Any, Any]
Step = Callable[[Any, State], State]


def run_cell(op: QRnn, x: Any, steps: int, codes: dict[str, Any]) -> Any:
    """Return the outputs (n, steps, units) or (n, units) for real values x (n, steps, features).

    codes: weight, recurrent and, unless the cell has none, bias, as int8 codes.
    """
    kernel = tf.transpose(codes["weight"]) * 2.0**-op.weight_dec
    recurrent = tf.transpose(codes["recurrent"]) * 2.0**-op.recurrent_dec
    bias = codes["bias"] * 2.0**-op.bias_dec if "bias" in codes else 0.0
    step = {CellKind.SIMPLE: _simple, CellKind.GRU: _gru, CellKind.LSTM: _lstm}[op.kind](
        op, kernel, recurrent, bias
    )
    zero = tf.zeros((tf.shape(x)[0], op.units))
    state, outputs = (zero, zero), []
    for t in reversed(range(steps)) if op.go_backwards else range(steps):
        state = step(x[:, t], state)
        outputs.append(state[0])
    if not op.return_sequence:
        return outputs[-1]
    if op.go_backwards and op.time_order:
        outputs.reverse()
    return tf.stack(outputs, axis=1)


def _simple(op: QRnn, kernel: Any, recurrent: Any, bias: Any) -> Step:
    function = tf.tanh if op.activation is ActivationKind.TANH else tf.sigmoid

    def step(x: Any, state: State) -> State:
        h = function(x @ kernel + bias + state[0] @ recurrent)
        return h, h

    return step


def _lstm(op: QRnn, kernel: Any, recurrent: Any, bias: Any) -> Step:
    del op

    def step(x: Any, state: State) -> State:
        i, f, g, o = tf.split(x @ kernel + bias + state[0] @ recurrent, 4, axis=1)
        c = tf.sigmoid(f) * state[1] + tf.sigmoid(i) * tf.tanh(g)
        return tf.sigmoid(o) * tf.tanh(c), c

    return step


def _gru(op: QRnn, kernel: Any, recurrent: Any, bias: Any) -> Step:
    units = op.units
    of_x, of_h = (bias, 0.0) if op.bias is None or op.bias.ndim == 1 else (bias[0], bias[1])
    reset_after = op.bias is None or op.bias.size == 6 * units

    def step(x: Any, state: State) -> State:
        h = state[0]
        from_x, from_h = x @ kernel + of_x, h @ recurrent + of_h
        z, r = tf.split(tf.sigmoid(from_x[:, : 2 * units] + from_h[:, : 2 * units]), 2, axis=1)
        outer = recurrent[:, 2 * units :]
        candidate = r * from_h[:, 2 * units :] if reset_after else (r * h) @ outer
        h = z * h + (1 - z) * tf.tanh(from_x[:, 2 * units :] + candidate)
        return h, h

    return step
