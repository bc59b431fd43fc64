"""Weights rounded for the data that they will meet, instead of each to its nearest.

What one weight's rounding does to the layer's sums, the weights not yet rounded can partly undo,
because inputs are correlated (Frantar et al. 2023, GPTQ, algorithm 1).
"""

import numpy as np
import numpy.typing as npt

from nnom_hil.model.float_rnn import trace_rnn
from nnom_hil.model.float_run import as_image, run_float
from nnom_hil.model.graph import Conv, Dense, FloatGraph, Rnn
from nnom_hil.model.qgraph import Int8
from nnom_hil.model.quantise.statistics import chunks, spread
from nnom_hil.model.windows import output_length, same_pad, windows

__all__ = ["Moments", "input_moments", "round_to_data"]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Moments = dict[str, Float64]
_ROWS = 4096  # of each chunk and layer; second moments settle early
_SAMPLES = 256
_DAMPING = 0.01  # of the mean second moment: inputs that never vary decide nothing
_MOST_INPUTS = 2048  # beyond, the moments of a layer's inputs take too long


def input_moments(graph: FloatGraph, x: FloatArray) -> Moments:
    """Return the second moments of what each layer's weights are multiplied with.

    By layer, and by layer + "/recurrent" for a recurrent one's states.
    """
    result: Moments = {}
    for chunk in chunks(graph, x[spread(graph, len(x), _SAMPLES)]):
        values = run_float(graph, chunk)
        for node in graph.nodes:
            source = values[node.inputs[0]] if node.inputs else None
            if source is None:
                continue
            for name, rows in _inputs_of(node.name, node.op, source).items():
                if rows.shape[1] > _MOST_INPUTS:
                    continue
                picked = rows[:: max(1, len(rows) // _ROWS)].astype(np.float64)
                result[name] = result.get(name, 0.0) + picked.T @ picked
    return result


def _inputs_of(name: str, op: object, x: FloatArray) -> dict[str, FloatArray]:
    match op:
        case Conv() if not (op.depthwise or op.transposed):
            image = np.asarray(as_image(x), np.float32)
            kernel = (op.kernel.shape[0], op.kernel.shape[1])
            out = (
                output_length(image.shape[1], kernel[0], op.padding, op.stride[0], op.dilation[0]),
                output_length(image.shape[2], kernel[1], op.padding, op.stride[1], op.dilation[1]),
            )
            pad = same_pad(image.shape[1:], kernel, op.padding, op.stride, op.dilation)
            view = windows(image, kernel, op.stride, op.dilation, pad, out)
            taps = int(np.prod(op.kernel.shape[:3]))
            if taps > _MOST_INPUTS:
                return {}
            step = max(1, len(view) * out[0] * out[1] // _ROWS)
            flat = view.reshape(-1, taps) if step == 1 else _every(view, step, taps)
            return {name: flat}
        case Dense():
            return {name: x.reshape(len(x), -1)}
        case Rnn():
            states = trace_rnn(op, x).state
            return {name: x.reshape(-1, x.shape[-1]), f"{name}/recurrent": states}
    return {}


def _every(view: npt.NDArray[np.float32], step: int, taps: int) -> FloatArray:
    """Return every step-th window of a view (n, oh, ow, kh, kw, c), without copying the rest."""
    n, rows, columns = view.shape[:3]
    index = np.arange(0, n * rows * columns, step)
    picked = view[index // (rows * columns), index // columns % rows, index % columns]
    flat: FloatArray = picked.reshape(-1, taps)
    return flat


def round_to_data(weight: Float64, moments: Float64) -> Int8:
    """Return weights (rows, inputs), already scaled to whole numbers, rounded and saturated.

    moments: (inputs, inputs), of the inputs that every row is multiplied with.
    """
    size = len(moments)
    order = np.argsort(-np.diag(moments), kind="stable")
    hessian = moments[np.ix_(order, order)]
    hessian = hessian + np.eye(size) * (_DAMPING * np.mean(np.diag(hessian)) + 1e-9)
    # the upper factor of the inverse tells how much each later weight makes up for
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    left = weight[:, order].copy()
    rounded = np.empty_like(left)
    for i in range(size):
        rounded[:, i] = np.clip(np.round(left[:, i]), -128, 127)
        error = (left[:, i] - rounded[:, i]) / upper[i, i]
        left[:, i + 1 :] -= np.outer(error, upper[i, i + 1 :])
    result = np.empty(weight.shape, np.int8)
    result[:, order] = rounded.astype(np.int8)
    return result
