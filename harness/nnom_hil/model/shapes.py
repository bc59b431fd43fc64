"""Shapes of a float graph's data, by the rules of Keras, without running anything."""

from collections.abc import Sequence
from typing import assert_never

from nnom_hil.model.graph import (
    Activation,
    Affine,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatOp,
    GlobalPool,
    Input,
    Pool,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.windows import output_length, transposed_length

__all__ = ["Shape", "float_shapes"]

Shape = tuple[int, ...]


def float_shapes(graph: FloatGraph) -> dict[str, Shape]:
    """Return the shape of every node's output, without the batch."""
    shapes: dict[str, Shape] = {}
    for node in graph.nodes:
        shapes[node.name] = _shape(node.op, [shapes[name] for name in node.inputs])
    return shapes


def _shape(op: FloatOp, inputs: Sequence[Shape]) -> Shape:
    match op:
        case Input() | Reshape():
            return op.shape
        case Dense():
            return (op.bias.size,)
        case Flatten():
            size = 1
            for length in inputs[0]:
                size *= length
            return (size,)
        case GlobalPool():
            return inputs[0][-1:]
        case Rnn():
            return (inputs[0][0], op.units) if op.return_sequence else (op.units,)
        case Concatenate():
            joined = list(inputs[0])
            joined[op.axis] = sum(shape[op.axis] for shape in inputs)
            return tuple(joined)
        case Combine():
            return tuple(max(lengths) for lengths in zip(*inputs, strict=True))
        case Activation() | Affine() | Softmax() | Requantise():
            return inputs[0]
        case Conv() | Pool() | ZeroPadding() | Cropping() | UpSample():
            h, w, c = (1, 1, 1, *inputs[0])[-3:]
            # data of fewer axes, (steps, channels), stays that
            return _image(op, h, w, c)[3 - len(inputs[0]) :]
        case never:
            assert_never(never)


def _image(op: Conv | Pool | ZeroPadding | Cropping | UpSample, h: int, w: int, c: int) -> Shape:
    match op:
        case Conv():
            (kh, kw), (sh, sw), (dh, dw) = op.kernel.shape[:2], op.stride, op.dilation
            length = transposed_length if op.transposed else output_length
            return (
                length(h, kh, op.padding, sh, dh),
                length(w, kw, op.padding, sw, dw),
                op.channels_out,
            )
        case Pool():
            rows, columns = (
                output_length(size, op.size[i], op.padding, op.stride[i], 1)
                for i, size in enumerate((h, w))
            )
            return rows, columns, c
        case ZeroPadding() | Cropping():
            top, bottom, left, right = op.border
            sign = 1 if isinstance(op, ZeroPadding) else -1
            return h + sign * (top + bottom), w + sign * (left + right), c
        case UpSample():
            return h * op.factor[0], w * op.factor[1], c
        case never:
            assert_never(never)
