"""Weights rounded for the data that they will meet, instead of each to its nearest.

What one weight's rounding does to the layer's sums, the weights not yet rounded can partly undo,
because inputs are correlated (Frantar et al. 2023, GPTQ, algorithm 1).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnom_hil.model.float_rnn import trace_rnn
from nnom_hil.model.float_run import as_image, run_float
from nnom_hil.model.graph import Conv, Dense, FloatGraph, Rnn
from nnom_hil.model.qgraph import Int8
from nnom_hil.model.quantise.statistics import chunks, spread
from nnom_hil.model.windows import output_length, same_pad, windows

__all__ = ["Correlation", "Correlations", "input_correlations", "round_to_data"]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
_ROWS = 4096  # of each chunk and layer; second moments settle early
_SAMPLES = 256
_DAMPING = 0.01  # of the mean second moment: inputs that never vary decide nothing
_MOST_INPUTS = 2048  # beyond, the moments of a layer's inputs take too long


@dataclass(frozen=True, slots=True)
class Correlation:
    """How a layer's inputs go together.

    order: inputs by falling power. upper: (inputs, inputs), in that order; row i tells how much
    each later weight makes up for an error in weight i.
    """

    order: npt.NDArray[np.intp]
    upper: Float64

    @classmethod
    def of_moments(cls, moments: Float64) -> "Correlation":
        """Take second moments (inputs, inputs): X^T X for inputs X, one row a position."""
        order = np.argsort(-np.diag(moments), kind="stable")
        hessian = moments[np.ix_(order, order)]
        damping = _DAMPING * np.mean(np.diag(hessian)) + 1e-9
        inverse = np.linalg.inv(hessian + np.eye(len(hessian)) * damping)
        return cls(order, np.linalg.cholesky(inverse).T)


Correlations = dict[str, Correlation]


def input_correlations(graph: FloatGraph, x: FloatArray) -> Correlations:
    """Return how the inputs of each layer's weights go together.

    By layer, and by layer + "/recurrent" for a recurrent one's states.
    """
    moments: dict[str, Float64] = {}
    for chunk in chunks(graph, x[spread(graph, len(x), _SAMPLES)]):
        values = run_float(graph, chunk)
        for node in graph.nodes:
            if not node.inputs:
                continue
            for name, rows in _inputs_of(node.name, node.op, values[node.inputs[0]]).items():
                picked = rows[:: max(1, len(rows) // _ROWS)].astype(np.float64)
                moments[name] = moments.get(name, 0.0) + picked.T @ picked
    return {name: Correlation.of_moments(m) for name, m in moments.items()}


def _inputs_of(name: str, op: object, x: FloatArray) -> dict[str, FloatArray]:
    """Return what a layer's weights are multiplied with, one row a position."""
    match op:
        case Conv() if not (op.depthwise or op.transposed):
            rows = {name: _windows_of(op, np.asarray(as_image(x), np.float32))}
        case Dense():
            rows = {name: x.reshape(len(x), -1)}
        case Rnn():
            rows = {
                name: x.reshape(-1, x.shape[-1]),
                f"{name}/recurrent": trace_rnn(op, x).state,
            }
        case _:
            rows = {}
    return {key: values for key, values in rows.items() if values.shape[1] <= _MOST_INPUTS}


def _windows_of(op: Conv, image: FloatArray) -> FloatArray:
    """Return some of the windows that a kernel sees, as (windows, taps)."""
    kernel = (op.kernel.shape[0], op.kernel.shape[1])
    out = (
        output_length(image.shape[1], kernel[0], op.padding, op.stride[0], op.dilation[0]),
        output_length(image.shape[2], kernel[1], op.padding, op.stride[1], op.dilation[1]),
    )
    pad = same_pad(image.shape[1:], kernel, op.padding, op.stride, op.dilation)
    view = windows(image, kernel, op.stride, op.dilation, pad, out)
    n, rows, columns = view.shape[:3]
    # only those taken are copied: all of them would be many times the image
    index = np.arange(0, n * rows * columns, max(1, n * rows * columns // _ROWS))
    picked = view[index // (rows * columns), index // columns % rows, index % columns]
    flat: FloatArray = picked.reshape(len(index), -1)
    return flat


def round_to_data(weight: Float64, inputs: Correlation) -> Int8:
    """Return weights (rows, inputs), already scaled to whole numbers, rounded and saturated.

    inputs: of what every row is multiplied with.
    """
    left = weight[:, inputs.order].copy()
    rounded = np.empty_like(left)
    for i, makes_up in enumerate(inputs.upper):
        rounded[:, i] = np.clip(np.round(left[:, i]), -128, 127)
        error = (left[:, i] - rounded[:, i]) / makes_up[i]
        left[:, i + 1 :] -= np.outer(error, makes_up[i + 1 :])
    result = np.empty(weight.shape, np.int8)
    result[:, inputs.order] = rounded.astype(np.int8)
    return result
