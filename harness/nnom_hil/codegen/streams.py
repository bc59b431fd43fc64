"""Weights in the byte order of NNoM's kernels (NNOM_COMPAT.md 3.7)."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nnom_hil.model.qgraph import Int8, QConv, QDense

__all__ = ["bias_of", "interleave_dense", "interleave_q7_q15", "interleaved_order"]


_Integer = TypeVar("_Integer", np.int8, np.int64)


def interleaved_order(op: QDense) -> npt.NDArray[np.int64]:
    """Return which weight, counted row by row, lies at each place of interleave_dense()'s."""
    return _interleaved(np.arange(op.weight.size).reshape(op.weight.shape))


def interleave_dense(weight: Int8) -> Int8:
    """Return weights (units, inputs) in the byte order of NNoM's optimised dense kernel.

    Four rows and four columns at a time, NNOM_COMPAT.md 3.7; rows left over stay plain.
    """
    return _interleaved(weight)


def _interleaved(weight: npt.NDArray[_Integer]) -> npt.NDArray[_Integer]:
    units, inputs = weight.shape
    rows, columns = units - units % 4, inputs - inputs % 4
    # (groups, 4 rows, tiles, 4 columns); columns 0, 2 then 1, 3; row pairs inside
    tiles = weight[:rows, :columns].reshape(rows // 4, 2, 2, columns // 4, 2, 2)
    # axes: group, row pair, row in pair, tile, column pair, column in pair
    tiles = tiles.transpose(0, 3, 5, 1, 4, 2).reshape(rows // 4, 4 * columns)
    rest = weight[:rows, columns:].reshape(rows // 4, 4, inputs - columns).transpose(0, 2, 1)
    grouped = np.concatenate([tiles, rest.reshape(rows // 4, 4 * (inputs - columns))], axis=1)
    return np.concatenate([grouped.ravel(), weight[rows:].ravel()])


def interleave_q7_q15(weight: Int8) -> Int8:
    """Return weights (rows, columns) in the byte order of NNoM's int8 by int16 kernel.

    Four rows and two columns at a time, NNOM_COMPAT.md 3.7; rows left over stay plain.
    """
    units, inputs = weight.shape
    rows, columns = units - units % 4, inputs - inputs % 2
    # axes: group, row pair, row in pair, tile, column
    tiles = weight[:rows, :columns].reshape(rows // 4, 2, 2, columns // 2, 2)
    tiles = tiles.transpose(0, 3, 1, 4, 2).reshape(rows // 4, 4 * columns)
    rest = weight[:rows, columns:].reshape(rows // 4, 4 * (inputs - columns))
    grouped = np.concatenate([tiles, rest], axis=1)
    return np.concatenate([grouped.ravel(), weight[rows:].ravel()])


def bias_of(op: QConv | QDense) -> Int8:
    """Return the layer's bias, zeros where it has none."""
    channels = op.channels_out if isinstance(op, QConv) else len(op.weight)
    return np.zeros(channels, np.int8) if op.bias is None else op.bias
