"""One operator of a TFLite model, its options and inputs read with their defaults."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy.typing as npt

from nnom_hil.model.tflite_import.load import Operator, TensorInfo
from nnom_hil.model.translation.operations import Step, reshaped
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.tensors import Shape, Tensor

__all__ = ["Node", "Spread", "Value", "part_of", "parts_of_slice"]

Array = npt.NDArray[Any]

_OPTIONS: Final = {
    "ADD": "AddOptions", "AVERAGE_POOL_2D": "Pool2DOptions", "CONCATENATION":
    "ConcatenationOptions", "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D":
    "DepthwiseConv2DOptions", "DIV": "DivOptions", "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions", "LEAKY_RELU": "LeakyReluOptions", "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions", "MUL": "MulOptions", "PACK": "PackOptions", "REDUCE_MAX":
    "ReducerOptions", "REDUCE_PROD": "ReducerOptions", "RESHAPE": "ReshapeOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions", "SPLIT": "SplitOptions",
    "SQUEEZE": "SqueezeOptions", "STRIDED_SLICE": "StridedSliceOptions", "SUB": "SubOptions",
    "SUM": "ReducerOptions", "TRANSPOSE_CONV": "TransposeConvOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNNOptions", "UNPACK": "UnpackOptions",
}  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Spread:
    """A tensor between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, which is how dilation is written.

    x: the tensor itself; block: the dilation of each spatial axis; before, after: its padding.
    lifted: whether an axis of 1 was put behind the batch, as one-dimensional convolutions have it.
    finish: makes the convolution between the two, of the padding that is left.
    """

    x: Tensor
    block: Shape
    before: Shape
    after: Shape
    lifted: bool = False
    finish: Callable[[Shape, Shape], Tensor] | None = None

    def lifted_at(self, axis: int) -> "Spread":
        """Return it with an axis of 1 behind the batch."""
        if self.lifted or len(self.x.shape) != 3 or axis not in {1, -3}:
            raise UnsupportedLayerError("it moves a batch that is spread")
        shape = (1, *self.x.shape)
        return replace(
            self,
            x=reshaped(self.x, shape),
            block=(1, *self.block),
            before=(0, *self.before),
            after=(0, *self.after),
            lifted=True,
        )

    def sunk(self) -> "Spread":
        """Return it as it is: the axis of 1 goes when all is gathered."""
        if not self.lifted or self.finish is None:
            raise UnsupportedLayerError("it moves a batch that is spread")
        return self

    def result(self, y: Tensor) -> Tensor:
        """Return what was gathered without the axis that was put in."""
        return reshaped(y, (1, *y.shape[2:])) if self.lifted else y


Value = Tensor | Array | Spread | None


@dataclass(frozen=True, kw_only=True)
class Node:
    """An operator. inputs: tensors, constants, or None for what is left out."""

    step: Step
    operator: Operator
    inputs: Sequence[Value]
    infos: Sequence[TensorInfo | None]

    def option(self, name: str, default: Any) -> Any:
        """Return an option; the default where the file has none."""
        options = self.options()
        return default if options is None else getattr(options, name)()

    def options(self) -> Any:
        """Return the table of options, None where the file has none."""
        import tflite

        kind = _OPTIONS[self.step.kind]
        raw = self.operator.options
        if raw.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, kind):
            return None
        table, options = raw.BuiltinOptions(), getattr(tflite, kind)()
        options.Init(table.Bytes, table.Pos)
        return options

    def given(self, i: int) -> Value:
        """Return an input; None where it is left out."""
        return self.inputs[i] if i < len(self.inputs) else None

    def tensor(self, i: int = 0) -> Tensor:
        """Return an input that must come from the data."""
        value = self.given(i)
        if isinstance(value, Tensor):
            return value
        raise UnsupportedLayerError(
            f"its input {i} is a constant, left out or spread over a batch; NNoM computes from "
            "data there"
        )

    def constant(self, i: int) -> Array | None:
        """Return an input that must be known at import; None where it is left out."""
        value = self.given(i)
        if isinstance(value, Tensor | Spread):
            raise UnsupportedLayerError(
                f"its input {i} is computed from the data; NNoM needs it to be a constant"
            )
        return value

    def needed(self, i: int) -> Array:
        """Return an input that must be known and there."""
        value = self.constant(i)
        if value is None:
            raise UnsupportedLayerError(f"its input {i} is left out")
        return value

    def weights(self, i: int) -> Array | None:
        """Return weights, which must be floats; None where they are left out."""
        value = self.constant(i)
        if value is not None and value.dtype.kind != "f":
            raise UnsupportedLayerError(
                "its weights are whole numbers: this file is quantised already; give the float "
                "model"
            )
        return value

    def numbers(self, i: int) -> list[int]:
        """Return whole numbers that must be known at import."""
        return [int(n) for n in self.needed(i).ravel()]


def parts_of_slice(
    node: Node, shape: Sequence[int], begin: Array, end: Array, strides: Array
) -> list[slice | int]:
    """Return what STRIDED_SLICE takes of each axis: a slice, or one cell whose axis goes."""
    if node.option("EllipsisMask", 0) or node.option("NewAxisMask", 0):
        raise UnsupportedLayerError("an ellipsis or a new axis; use a slice of every axis")
    if node.option("Offset", False):
        raise UnsupportedLayerError("ends counted from the beginnings; convert the model again")
    masks = [node.option(f"{name}Mask", 0) for name in ("Begin", "End", "ShrinkAxis")]
    parts: list[slice | int] = []
    for axis, (b, e, s) in enumerate(zip(begin.ravel(), end.ravel(), strides.ravel(), strict=True)):
        from_start, to_end, one = (bool(mask >> axis & 1) for mask in masks)
        if one:
            parts.append(int(b) % shape[axis])
        else:
            parts.append(slice(None if from_start else int(b), None if to_end else int(e), int(s)))
    return parts + [slice(None)] * (len(shape) - len(parts))


def part_of(part: slice | int) -> slice:
    """Return the slice that one cell is."""
    return slice(part, part + 1) if isinstance(part, int) else part
