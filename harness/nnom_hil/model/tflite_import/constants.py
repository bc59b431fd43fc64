"""Operators that need no data of the user's: shapes, computed at import.

TensorFlow's converter writes down how shapes follow from an open batch; with one of 1 all are
known.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.tflite_import.node import Node, part_of, parts_of_slice
from nnom_hil.model.translation.place import MOST_VALUES
from nnom_hil.model.translation.problems import UnsupportedLayerError

__all__ = ["FOLDED", "folded"]

Array = npt.NDArray[Any]
Fold = Callable[[Node, Sequence[Array]], Array]


def folded(node: Node, values: Sequence[Array]) -> Sequence[Array]:
    """Return an operator's result; raises UnsupportedLayerError where it is too large."""
    with np.errstate(all="ignore"):
        result = np.asarray(FOLDED[node.step.kind](node, values))
    if result.size > MOST_VALUES:
        raise UnsupportedLayerError(f"a constant of {result.size} values")
    return [result]


def _cast(node: Node, values: Sequence[Array]) -> Array:
    del node
    return values[0]  # whole numbers stay whole; shapes need no other type


def _concatenation(node: Node, values: Sequence[Array]) -> Array:
    return np.concatenate(values, node.option("Axis", 0))


def _expand_dims(node: Node, values: Sequence[Array]) -> Array:
    del node
    return np.expand_dims(values[0], int(values[1].item()))


def _fill(node: Node, values: Sequence[Array]) -> Array:
    del node
    shape = [int(n) for n in values[0].ravel()]
    if math.prod(shape) > MOST_VALUES:
        raise UnsupportedLayerError(f"a constant of shape {shape}")
    return np.full(shape, values[1])


def _gather(node: Node, values: Sequence[Array]) -> Array:
    return np.take(values[0], values[1], node.option("Axis", 0))


def _pack(node: Node, values: Sequence[Array]) -> Array:
    return np.stack(values, node.option("Axis", 0))


def _reduce_prod(node: Node, values: Sequence[Array]) -> Array:
    axes = tuple(int(a) for a in values[1].ravel())
    return np.asarray(np.prod(values[0], axes, keepdims=bool(node.option("KeepDims", 0))))


def _reshape(node: Node, values: Sequence[Array]) -> Array:
    del node
    return values[0].reshape([int(n) for n in values[1].ravel()])


def _strided_slice(node: Node, values: Sequence[Array]) -> Array:
    parts = parts_of_slice(node, values[0].shape, *values[1:4])
    cut = values[0][tuple(part_of(part) for part in parts)]
    return cut.reshape([n for n, p in zip(cut.shape, parts, strict=True) if isinstance(p, slice)])


def _transpose(node: Node, values: Sequence[Array]) -> Array:
    del node
    return np.transpose(values[0], [int(a) for a in values[1].ravel()])


def _dequantize(node: Node, values: Sequence[Array]) -> Array:
    if values[0].dtype != np.float16:
        raise UnsupportedLayerError("these weights are quantised already; give the float model")
    del node
    return values[0].astype(np.float32)


def _elementwise(function: Callable[[Array, Array], Array]) -> Fold:
    def fold(node: Node, values: Sequence[Array]) -> Array:
        del node
        a, b = values
        if math.prod(np.broadcast_shapes(a.shape, b.shape)) > MOST_VALUES:
            raise UnsupportedLayerError("a constant that is too large")
        return function(a, b)

    return fold


FOLDED: Mapping[str, Fold] = {
    "ADD": _elementwise(np.add),
    "CAST": _cast,
    "CONCATENATION": _concatenation,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _expand_dims,
    "FILL": _fill,
    "FLOOR_DIV": _elementwise(np.floor_divide),
    "GATHER": _gather,
    "MAXIMUM": _elementwise(np.maximum),
    "MINIMUM": _elementwise(np.minimum),
    "MUL": _elementwise(np.multiply),
    "PACK": _pack,
    "REDUCE_PROD": _reduce_prod,
    "RESHAPE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _elementwise(np.subtract),
    "TRANSPOSE": _transpose,
}
"""What is computed where all inputs are known."""
