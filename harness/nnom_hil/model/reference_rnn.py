"""Bit-exact recurrent cells, and the table look-ups they share with activation layers.

Every formula is NNOM_COMPAT.md section 3's (3.8, 3.9, 3.16 to 3.19).
"""

from collections.abc import Callable
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import ActivationKind
from nnom_hil.model.qgraph import CellKind, Int8, QRnn

__all__ = ["look_up", "look_up16", "run_rnn"]

Array = npt.NDArray[np.int64]


@cache
def _table(kind: ActivationKind, scale: int) -> Array:
    """Return f at 1/16 steps over [-8, 8), entry i for the two's-complement byte i."""
    steps = ((np.arange(256) ^ 128) - 128) / 16
    values = np.tanh(steps) if kind is ActivationKind.TANH else 1 / (1 + np.exp(-steps))
    return np.clip(np.floor(values * scale + 0.5), -scale, scale - 1).astype(np.int64)


def look_up(
    kind: ActivationKind, x: npt.NDArray[np.integer], int_bits: int, *, compat: bool
) -> Int8:
    """Return tanh or sigmoid of int8 values with int_bits integer bits, in Q0.7."""
    table = _table(kind, 128)
    index = x.astype(np.int64)
    if int_bits > 3:
        if compat:  # a step between the table's ends
            return np.where(x > 0, table[127], np.where(x < 0, table[128], 0)).astype(np.int8)
        index = np.clip(index << min(int_bits - 3, 9), -128, 127)
    else:
        index = index >> min(3 - int_bits, 7)
    return cast(Int8, table[index & 0xFF].astype(np.int8))


def look_up16(kind: ActivationKind, x: Array, int_bits: int, *, compat: bool) -> Array:
    """Return tanh or sigmoid of int16 values in Q0.15, interpolated between table entries.

    compat: beyond the table the index wraps (Q-08); otherwise its ends count.
    """
    table = _table(kind, 32768)
    shift = 11 - int_bits
    if shift < 0:
        return cast(Array, np.where(x > 0, table[127], np.where(x < 0, table[128], table[0])))
    shift = min(shift, 26)
    full = 1 << shift
    fraction, index = x & (full - 1), x >> shift
    here, after = table[index & 0xFF], table[(index + 1) & 0xFF]
    result = np.where(index == 127, here, ((full - fraction) * here + fraction * after) >> shift)
    if not compat:
        result = np.where(index > 127, table[127], np.where(index < -128, table[128], result))
    return cast(Array, result)


def _sat16(value: Array) -> Array:
    return np.clip(value, -32768, 32767)


def _round(shift: int) -> int:
    return (1 << shift) >> 1


def _scaled(product: Array, shift: int = 15) -> Array:
    return _sat16((product + _round(shift)) >> shift)


def _fully_connected(
    x: Array, weight: Int8, bias: Int8 | None, bias_shift: int, shift: int
) -> Array:
    """Return sat16((x W^T + (bias << bias_shift) + round) >> shift), via 32 bits."""
    total = x @ weight.T.astype(np.int64) + _round(shift)
    if bias is not None:
        total = total + (bias.astype(np.int64) << bias_shift)
    return _sat16((total >> shift).astype(np.int32).astype(np.int64))


State = tuple[Array, ...]
Step = Callable[[Array, State], tuple[Array, State]]


def run_rnn(op: QRnn, x: Int8, in_dec: int, *, compat: bool) -> Int8:
    """Return the outputs (n, steps, units) or (n, units) of a recurrent layer for x (n, steps,
    features); the n runs follow each other where the layer is stateful.
    """
    step = {CellKind.SIMPLE: _simple, CellKind.GRU: _gru, CellKind.LSTM: _lstm}[op.kind](
        op, in_dec, compat
    )
    states = 2 if op.kind is CellKind.LSTM else 1
    values = x.astype(np.int64)
    if not op.stateful:
        zero = tuple(np.zeros((len(x), op.units), np.int64) for _ in range(states))
        return _sequence(op, values, zero, step, compat=compat)[0]
    state: State = tuple(np.zeros((1, op.units), np.int64) for _ in range(states))
    runs = []
    for run in values:
        y, state = _sequence(op, run[np.newaxis], state, step, compat=compat)
        runs.append(y)
    return np.concatenate(runs)


def _sequence(op: QRnn, x: Array, state: State, step: Step, *, compat: bool) -> tuple[Int8, State]:
    outputs = []
    steps = range(x.shape[1])
    for t in reversed(steps) if op.go_backwards else steps:
        y, state = step(x[:, t], state)
        outputs.append(y)
    if not op.return_sequence:
        return outputs[-1].astype(np.int8), state
    if op.go_backwards and (op.time_order or compat):
        outputs.reverse()  # NNoM writes each output at its own time
    return np.stack(outputs, axis=1).astype(np.int8), state


def _simple(op: QRnn, in_dec: int, compat: bool) -> Step:
    x_shift, h_shift, bias_shift = op.shifts(in_dec)
    bias = op.bias
    tail = op.units % 4
    if compat and bias is not None and tail:
        bias = np.concatenate([bias[: op.units - tail], bias[:tail]])

    def sat8(value: Array) -> Array:
        return np.clip(value, -128, 127)

    def product(v: Array, weight: Int8, b: Int8 | None, b_shift: int, shift: int) -> Array:
        total = v @ weight.T.astype(np.int64) + _round(shift)
        if b is not None:
            total = total + (b.astype(np.int64) << b_shift)
        return sat8(total >> shift)

    def step(x: Array, state: State) -> tuple[Array, State]:
        h = product(state[0], op.recurrent, None, 0, h_shift)
        y = product(x, op.weight, bias, bias_shift, x_shift)
        out = look_up(op.activation, sat8(y + h), 7 - op.sum_dec, compat=compat).astype(np.int64)
        return out, (out,)

    return step


def _lstm(op: QRnn, in_dec: int, compat: bool) -> Step:
    x_shift, h_shift, bias_shift = op.shifts(in_dec)
    width = 7 - op.z_dec

    def step(x: Array, state: State) -> tuple[Array, State]:
        h, c = state
        z = _sat16(
            _fully_connected(x * 256, op.weight, op.bias, bias_shift + 8, x_shift)
            + _fully_connected(h, op.recurrent, None, 0, h_shift)
        )
        i, f, g, o = np.split(z, 4, axis=1)
        i, f, o = (look_up16(ActivationKind.SIGMOID, v, width, compat=compat) for v in (i, f, o))
        g = look_up16(ActivationKind.TANH, g, width, compat=compat)
        c = _sat16(_scaled(i * g, 22 - op.c_dec) + _scaled(f * c))
        h = _scaled(o * look_up16(ActivationKind.TANH, c, 7 - op.c_dec, compat=compat))
        return h >> 8, (h, c)

    return step


def _gru(op: QRnn, in_dec: int, compat: bool) -> Step:
    x_shift, h_shift, bias_shift = op.shifts(in_dec)
    width = 7 - op.z_dec
    units = op.units
    bias = None if op.bias is None else op.bias.reshape(-1)
    reset_after = bias is None or bias.size == 6 * units
    x_bias = None if bias is None else bias[: 3 * units]
    h_bias = bias[3 * units :] if bias is not None and bias.size == 6 * units else None
    h_bias_shift = 0 if bias is None else op.state_bias_shift(in_dec, compat=compat) + 8

    def recurrent(h: Array) -> Array:
        if h_bias is None or h_bias_shift >= 0:
            return _fully_connected(h, op.recurrent, h_bias, h_bias_shift, h_shift)
        # a bias finer than the product loses its last bits
        total = h_shift - h_bias_shift
        fine = (h_bias.astype(np.int64) + _round(total)) >> total if total <= 30 else 0
        return _sat16(_fully_connected(h, op.recurrent, None, 0, h_shift) + fine)

    def step(x: Array, state: State) -> tuple[Array, State]:
        h = state[0]
        from_x = _fully_connected(x * 256, op.weight, x_bias, bias_shift + 8, x_shift)
        from_h = recurrent(h)
        gates = _sat16(from_x[:, : 2 * units] + from_h[:, : 2 * units])
        gates = look_up16(ActivationKind.SIGMOID, gates, width, compat=compat)
        z, r = gates[:, :units], gates[:, units:]
        if reset_after:
            candidate = _scaled(r * from_h[:, 2 * units :])
        else:
            no_bias = _fully_connected(_scaled(r * h), op.recurrent, None, 0, h_shift)
            candidate = no_bias[:, 2 * units :]
        candidate = _sat16(from_x[:, 2 * units :] + candidate)
        hh = look_up16(ActivationKind.TANH, candidate, width, compat=compat)
        h = _sat16(_scaled(z * h) + _scaled((32767 - z) * hh))
        return h >> 8, (h,)

    return step
