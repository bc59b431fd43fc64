"""Weights of Keras 2's layers for NVIDIA's recurrent library, in the form of plain layers."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CUDNN", "plain_weights"]

Array = npt.NDArray[np.float32]

CUDNN = {"CuDNNGRU": 3, "CuDNNLSTM": 4}
"""Classes, with the gates of each."""


def plain_weights(weights: list[Any]) -> list[Any]:
    """Return a layer's weights, every kernel, recurrent kernel and bias of that form changed.

    The form: matrices stand transposed gate by gate, and there are two biases in a row.
    """
    result = list(weights)
    for i in range(len(weights) - 2):
        kernel, recurrent, bias = (np.asarray(w) for w in weights[i : i + 3])
        gates = _gates(kernel, recurrent, bias)
        if gates is None:
            continue
        inputs = [k.ravel().reshape(k.shape[::-1]).T for k in np.hsplit(kernel, gates)]
        states = [k.T for k in np.hsplit(recurrent, gates)]
        both = bias.reshape(2, -1)
        one = both if gates == CUDNN["CuDNNGRU"] else both.sum(axis=0)
        result[i : i + 3] = [np.hstack(inputs), np.hstack(states), one]
    return result


def _gates(kernel: Array, recurrent: Array, bias: Array) -> int | None:
    """Return the number of gates if three arrays are such a layer's."""
    if kernel.ndim != 2 or recurrent.ndim != 2 or bias.ndim != 1:
        return None
    units = len(recurrent)
    if kernel.shape[1] != recurrent.shape[1] or bias.size != 2 * kernel.shape[1]:
        return None
    return next((g for g in CUDNN.values() if recurrent.shape[1] == g * units), None)
