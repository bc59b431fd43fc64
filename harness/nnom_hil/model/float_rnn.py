"""Recurrent layers in floating point, as Keras computes them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import ActivationKind, CellKind, Rnn

__all__ = ["RnnTrace", "run_float_rnn", "trace_rnn"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class RnnTrace:
    """A recurrent layer's run with what its cell computes on the way, one entry a step and run.

    y: (n, steps, units) or (n, units). from_x, from_h: products of input (with its bias) and state.
    state: what a step begins with. sums: what the gates see. cell: the LSTM's cell state, else the
    output.
    """

    y: FloatArray
    from_x: FloatArray
    from_h: FloatArray
    state: FloatArray
    sums: FloatArray
    cell: FloatArray


def run_float_rnn(op: Rnn, x: FloatArray) -> FloatArray:
    """Return the outputs for x (n, steps, features); the n runs follow each other if stateful."""
    return trace_rnn(op, x).y


def _sigmoid(x: FloatArray) -> FloatArray:
    y: FloatArray = (1.0 / (1.0 + np.exp(-x))).astype(np.float32)
    return y


State = tuple[FloatArray, FloatArray]
# (x, state) -> (state, product of x, product of h, sums)
Step = Callable[[FloatArray, State], tuple[State, FloatArray, FloatArray, FloatArray]]


def trace_rnn(op: Rnn, x: FloatArray) -> RnnTrace:
    """Run the layer on x (n, steps, features) and keep what calibration needs."""
    step = _STEPS[op.kind](op)
    runs = [x] if not op.stateful else [x[i : i + 1] for i in range(len(x))]
    zero = np.zeros((len(runs[0]), op.units), np.float32)
    state = (zero, zero)
    outputs, traces = [], []
    for run in runs:
        steps = range(run.shape[1])
        sequence = []
        for t in reversed(steps) if op.go_backwards else steps:
            before = state[0]
            state, *trace = step(run[:, t], state)
            sequence.append(state[0])
            traces.append((*trace, state[1], before))
        if op.go_backwards and op.time_order and op.return_sequence:
            sequence.reverse()
        outputs.append(np.stack(sequence, axis=1) if op.return_sequence else sequence[-1])
    parts = [np.concatenate(part) for part in zip(*traces, strict=True)]
    return RnnTrace(
        y=np.concatenate(outputs),
        from_x=parts[0],
        from_h=parts[1],
        sums=parts[2],
        cell=parts[3],
        state=parts[4],
    )


def _simple(op: Rnn) -> Step:
    function = np.tanh if op.activation is ActivationKind.TANH else _sigmoid
    bias = 0.0 if op.bias is None else op.bias

    def step(x: FloatArray, state: State) -> tuple[State, FloatArray, FloatArray, FloatArray]:
        from_x, from_h = x @ op.kernel + bias, state[0] @ op.recurrent
        h = function(from_x + from_h)
        return (h, h), from_x, from_h, from_x + from_h

    return step


def _lstm(op: Rnn) -> Step:
    bias = 0.0 if op.bias is None else op.bias

    def step(x: FloatArray, state: State) -> tuple[State, FloatArray, FloatArray, FloatArray]:
        from_x, from_h = x @ op.kernel + bias, state[0] @ op.recurrent
        i, f, g, o = np.split(from_x + from_h, 4, axis=1)
        c = _sigmoid(f) * state[1] + _sigmoid(i) * np.tanh(g)
        return (_sigmoid(o) * np.tanh(c), c), from_x, from_h, from_x + from_h

    return step


def _gru(op: Rnn) -> Step:
    units = op.units
    biases = np.zeros((2, 3 * units), np.float32)
    if op.bias is not None:
        biases[: 2 if op.bias.ndim == 2 else 1] = op.bias

    def step(x: FloatArray, state: State) -> tuple[State, FloatArray, FloatArray, FloatArray]:
        h = state[0]
        from_x, from_h = x @ op.kernel + biases[0], h @ op.recurrent + biases[1]
        gates = _sigmoid(from_x[:, : 2 * units] + from_h[:, : 2 * units])
        z, r = gates[:, :units], gates[:, units:]
        if op.reset_after:
            candidate = r * from_h[:, 2 * units :]
        else:
            candidate = (r * h) @ op.recurrent[:, 2 * units :]
        sums = np.concatenate(
            [
                from_x[:, : 2 * units] + from_h[:, : 2 * units],
                from_x[:, 2 * units :] + candidate,
            ],
            axis=1,
        )
        h = z * h + (1 - z) * np.tanh(sums[:, 2 * units :])
        return (h, h), from_x, from_h, sums

    return step


_STEPS: dict[CellKind, Callable[[Rnn], Step]] = {
    CellKind.SIMPLE: _simple,
    CellKind.GRU: _gru,
    CellKind.LSTM: _lstm,
}
