"""The float graph: what a trained network computes, free of any framework.

Data is NHWC; 1-D data (steps, channels) is carried as (1, steps, channels).
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

__all__ = [
    "Activation",
    "ActivationKind",
    "BatchNorm",
    "Conv",
    "Cropping",
    "Dense",
    "Flatten",
    "FloatGraph",
    "FloatNode",
    "FloatOp",
    "GlobalPool",
    "Input",
    "Padding",
    "Pool",
    "PoolKind",
    "Reshape",
    "Softmax",
    "UpSample",
    "ZeroPadding",
]

FloatArray = npt.NDArray[np.float32]


class Padding(StrEnum):
    """Keras' padding modes that NNoM knows."""

    VALID = "valid"
    SAME = "same"


class PoolKind(StrEnum):
    """What a pooling window yields."""

    MAX = "max"
    AVERAGE = "avg"
    SUM = "sum"


class ActivationKind(StrEnum):
    """Element-wise activations that NNoM knows."""

    RELU = "relu"
    LEAKY_RELU = "leaky_relu"
    ADV_RELU = "adv_relu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    HARD_TANH = "hard_tanh"
    HARD_SIGMOID = "hard_sigmoid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The model's input; shape without the batch, one to three axes."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """Convolution.

    kernel: (kh, kw, channels in, filters), or depthwise (kh, kw, channels in, multiplier).
    bias: (channels out,), zeros where the layer has none. dims: 1 or 2 spatial dimensions.
    """

    kernel: FloatArray
    bias: FloatArray
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    depthwise: bool
    dims: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """Fully connected layer; kernel: (inputs, units), bias: (units,)."""

    kernel: FloatArray
    bias: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm:
    """y = x * scale + offset, one pair per channel."""

    scale: FloatArray
    offset: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Element-wise activation; slope, max_value and threshold as in Keras' ReLU."""

    kind: ActivationKind
    negative_slope: float = 0.0
    max_value: float | None = None
    threshold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Pooling; windows at the border count the cells inside only.

    output_shift: an integer average divides by (cells >> output_shift); 0 is the plain average.
    """

    kind: PoolKind
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    dims: int
    output_shift: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPool:
    """Pooling over the whole plane; the result has one axis. output_shift as in Pool."""

    kind: PoolKind
    output_shift: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroPadding:
    """Cells of zero added: (top, bottom, left, right)."""

    border: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cropping:
    """Cells cut away: (top, bottom, left, right)."""

    border: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpSample:
    """Each cell repeated (rows, columns) times."""

    factor: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape:
    """The same data under another shape, without the batch."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flatten:
    """All axes become one, in H, W, C order."""


@dataclass(frozen=True, slots=True)
class Softmax:
    """Softmax over the last axis."""


FloatOp = (
    Input
    | Conv
    | Dense
    | BatchNorm
    | Activation
    | Pool
    | GlobalPool
    | ZeroPadding
    | Cropping
    | UpSample
    | Reshape
    | Flatten
    | Softmax
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatNode:
    """One layer: its name in the model, what it does, and the names it reads."""

    name: str
    op: FloatOp
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatGraph:
    """Nodes in an order in which they can run; the last one is the output."""

    name: str
    nodes: tuple[FloatNode, ...] = field(default=())

    @property
    def input(self) -> Input:
        """The input operation."""
        op = self.nodes[0].op
        assert isinstance(op, Input)
        return op
