"""The float graph: what a trained network computes, free of any framework.

Data is NHWC; 1-D data (steps, channels) is carried as (1, steps, channels).
"""

from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

__all__ = [
    "Activation",
    "ActivationKind",
    "Affine",
    "CellKind",
    "Combine",
    "Concatenate",
    "Conv",
    "Cropping",
    "Dense",
    "Flatten",
    "FloatGraph",
    "FloatNode",
    "FloatOp",
    "GlobalPool",
    "Input",
    "MergeKind",
    "Padding",
    "Pool",
    "PoolKind",
    "Requantise",
    "Reshape",
    "Rnn",
    "Softmax",
    "UpSample",
    "ZeroPadding",
    "unused_name",
]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


class Padding(StrEnum):
    """Keras' padding modes that NNoM knows."""

    VALID = "valid"
    SAME = "same"


class PoolKind(StrEnum):
    """What a pooling window yields."""

    MAX = "max"
    AVERAGE = "avg"
    SUM = "sum"


class MergeKind(StrEnum):
    """Element-wise operations on several tensors."""

    ADD = "add"
    SUB = "sub"
    MULT = "mult"


class CellKind(StrEnum):
    """Recurrent cells that NNoM knows."""

    SIMPLE = "simple"
    GRU = "gru"
    LSTM = "lstm"

    @property
    def gates(self) -> int:
        """Rows of the weights per unit."""
        return {"simple": 1, "gru": 3, "lstm": 4}[self.value]


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
    """The model's input; shape without the batch, one to three axes.

    scale, offset: what is done to data before anything else, x * scale + offset; None, or arrays
    that broadcast against the shape.
    """

    shape: tuple[int, ...]
    scale: Float64 | None = None
    offset: Float64 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """Convolution.

    kernel: (kh, kw, channels in, filters), or depthwise (kh, kw, channels in, multiplier).
    bias: (channels out,), zeros where the layer has none. dims: 1 or 2 spatial dimensions.
    transposed: Keras' Conv2DTranspose, with the kernel's axes in the order above. pad: what the
    cells around the image hold, where it is padded.
    """

    kernel: FloatArray
    bias: FloatArray
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    depthwise: bool
    dims: int
    transposed: bool = False
    pad: float = 0.0

    @property
    def channels_out(self) -> int:
        """Channels of the result."""
        return int(self.bias.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """Fully connected layer; kernel: (inputs, units), bias: (units,)."""

    kernel: FloatArray
    bias: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """y = x * scale + offset, one pair per channel of the last axis.

    What batch normalisation and rescaling are at inference.
    """

    scale: FloatArray
    offset: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Element-wise activation; slope, max_value and threshold as in Keras' ReLU.

    Keras' ReLU: x above the threshold, slope * (x - threshold) from it on down.
    floor: what a plain ReLU gives at least.
    """

    kind: ActivationKind
    negative_slope: float = 0.0
    max_value: float | None = None
    threshold: float = 0.0
    floor: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Pooling; windows at the border count the cells inside only.

    output_shift: an integer average divides by (cells >> output_shift); 0 is the plain average.
    gain: what a float average is multiplied by.
    """

    kind: PoolKind
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    dims: int
    output_shift: int = 0
    gain: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPool:
    """Pooling over the whole plane; the result has one axis. Shift and gain as in Pool."""

    kind: PoolKind
    output_shift: int = 0
    gain: float = 1.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenate:
    """Joins its inputs along an axis, counted from the end: -1 is the channels."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Combine:
    """Element-wise operation on all inputs, in their order; the result over 2^halvings."""

    kind: MergeKind
    halvings: int = 0


@dataclass(frozen=True, slots=True)
class Requantise:
    """No change of values; on the target, a change of format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rnn:
    """Recurrent layer over (steps, features); gates in Keras' order.

    kernel: (features, gates * units); recurrent: (units, gates * units). bias: (gates * units,),
    for GRU with reset_after=True (2, gates * units), or None. activation: the simple cell's.
    time_order: with go_backwards, outputs stand at their own time steps instead of in order of
    processing.
    """

    kind: CellKind
    kernel: FloatArray
    recurrent: FloatArray
    bias: FloatArray | None
    activation: ActivationKind = ActivationKind.TANH
    reset_after: bool = True
    return_sequence: bool = False
    stateful: bool = False
    go_backwards: bool = False
    time_order: bool = False

    @property
    def units(self) -> int:
        """Elements of the output at one time step."""
        return int(self.recurrent.shape[0])


def unused_name(name: str, taken: Container[str]) -> str:
    """Return the name, with a number behind it where it is taken."""
    result, n = name, 2
    while result in taken:
        result, n = f"{name}_{n}", n + 1
    return result


FloatOp = (
    Input
    | Conv
    | Dense
    | Affine
    | Activation
    | Pool
    | GlobalPool
    | ZeroPadding
    | Cropping
    | UpSample
    | Reshape
    | Flatten
    | Softmax
    | Concatenate
    | Combine
    | Requantise
    | Rnn
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
