"""The quantised graph: exactly what NNoM will execute. Its content hash names the model everywhere.

Values are int8; a real value is int8 * 2^-dec. Shapes are NNoM's own (docs/numerics.md).
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, assert_never, get_args

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.files import digest
from nnom_hil.model.graph import (
    ActivationKind,
    CellKind,
    Cropping,
    Flatten,
    GlobalPool,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.packed import UNREADABLE, from_npz, taken_apart, to_npz, unpacked

__all__ = [
    "CellKind",
    "Concat",
    "Copy",
    "Int8",
    "Merge",
    "MergeKind",
    "QActivation",
    "QConv",
    "QDense",
    "QGraph",
    "QInput",
    "QNode",
    "QOp",
    "QOutput",
    "QRnn",
    "QSoftmax",
    "in_run_order",
    "load_qgraph",
    "save_qgraph",
    "shape3d",
]

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class QInput:
    """Model input; shape (h, w, c), one or two axes are right-aligned.

    What the model takes becomes int8 by round((x - centre) * scale), saturated; centre and scale
    have one entry, one a channel of the last axis, or one an element. dec: fraction bits of what
    the layers behind take it for.
    """

    shape: tuple[int, ...]
    dec: int
    centre: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = ()

    def quantise(self, x: npt.NDArray[np.floating]) -> Int8:
        """Return int8 inputs for x (n, *shape), ties away from zero; float32 as in the header's C.

        A difference and then a product: no compiler may fuse these, so all give the same bytes.
        """
        centre, scale = (
            np.asarray(v, np.float32).reshape(self.shape if len(v) > self.shape[-1] else -1)
            for v in (self.centre, self.scale or (2.0**self.dec,))
        )
        value = np.clip((x.astype(np.float32) - centre) * scale, -128, 127)
        codes: Int8 = np.trunc(value + np.copysign(np.float32(0.5), value)).astype(np.int8)
        return codes


@dataclass(frozen=True, slots=True, kw_only=True)
class QConv:
    """Convolution.

    weight: (filters, kh, kw, channels in); depthwise: (kh, kw, channels in, multiplier).
    bias: (channels out,) or None. The decs and shifts have one entry, or one per output channel.
    transposed: Keras' Conv2DTranspose, its kernel as (filters, kh, kw, channels in).
    pad_value: what the cells around the image hold; NNoM has 0.
    """

    weight: Int8
    bias: Int8 | None
    weight_dec: tuple[int, ...]
    bias_dec: tuple[int, ...]
    output_shift: tuple[int, ...]
    bias_shift: tuple[int, ...]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    depthwise: bool
    dims: int
    transposed: bool = False
    pad_value: int = 0

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of the kernel."""
        h, w = self.weight.shape[:2] if self.depthwise else self.weight.shape[1:3]
        return h, w

    @property
    def channels_out(self) -> int:
        """Channels of the result."""
        shape = self.weight.shape
        return int(shape[2] * shape[3] if self.depthwise else shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class QDense:
    """Fully connected; weight: (units, inputs), bias: (units,) or None.

    The decs and shifts have one entry, or one per unit.
    """

    weight: Int8
    bias: Int8 | None
    weight_dec: tuple[int, ...]
    bias_dec: tuple[int, ...]
    output_shift: tuple[int, ...]
    bias_shift: tuple[int, ...]

    @property
    def is_per_unit(self) -> bool:
        """Whether each unit has formats of its own; NNoM's dense layer has one for all."""
        return len(self.weight_dec) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class QActivation:
    """Activation; dec is what NNoM's constructor is given (fraction bits of the data it sees)."""

    kind: ActivationKind
    dec: int
    negative_slope: float = 0.0
    max_value: float | None = None
    threshold: float = 0.0

    @property
    def fixed_dec(self) -> int | None:
        """Fraction bits of the result where they do not depend on the input, else None."""
        relu = {ActivationKind.RELU, ActivationKind.LEAKY_RELU, ActivationKind.ADV_RELU}
        return None if self.kind in relu else 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat:
    """Concatenation; axis counts the data's axes from 0."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Element-wise operation on all inputs, then one right shift.

    halvings: so many bits of the shift divide the value instead of changing its format.
    """

    kind: MergeKind
    output_shift: int
    halvings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QRnn:
    """Recurrent layer; gates in Keras' order.

    weight: (gates * units, features); recurrent: (gates * units, units). bias: (gates * units,),
    for GRU (2, gates * units) with reset_after=True, or None. The decs are those of NNoM's cell
    configurations: of the output (h), of the gates' sums (z; GRU, LSTM), of the cell state (c;
    LSTM), of the input's and the state's products (simple). activation: the simple cell's.
    time_order: with go_backwards, outputs stand at their own time steps, as NNoM has it; else in
    order of processing, as Keras has it.
    """

    kind: CellKind
    weight: Int8
    recurrent: Int8
    bias: Int8 | None
    weight_dec: int
    recurrent_dec: int
    bias_dec: int
    h_dec: int = 7
    z_dec: int = 0
    c_dec: int = 0
    input_product_dec: int = 0
    state_product_dec: int = 0
    activation: ActivationKind = ActivationKind.TANH
    return_sequence: bool = False
    stateful: bool = False
    go_backwards: bool = False
    time_order: bool = False

    @property
    def units(self) -> int:
        """Elements of the output at one time step."""
        return int(self.recurrent.shape[1])

    @property
    def sum_dec(self) -> int:
        """Fraction bits in which products of input and state are added."""
        if self.kind is CellKind.SIMPLE:
            return min(self.input_product_dec, self.state_product_dec)
        return self.z_dec

    def shifts(self, in_dec: int) -> tuple[int, int, int]:
        """Return output shifts of input and state products, and the left shift of the bias."""
        product = in_dec + self.weight_dec
        return (
            product - self.sum_dec,
            self.h_dec + self.recurrent_dec - self.sum_dec,
            0 if self.bias is None else product - self.bias_dec,
        )

    def state_bias_shift(self, in_dec: int, *, compat: bool) -> int:
        """Return the left shift of a GRU's recurrent bias; negative is a right shift.

        compat: NNoM takes the input bias' (NNOM_COMPAT.md, Q-10).
        """
        if compat:
            return self.shifts(in_dec)[2]
        return self.h_dec + self.recurrent_dec - self.bias_dec


@dataclass(frozen=True, slots=True, kw_only=True)
class QSoftmax:
    """Softmax over all values of the tensor.

    base_two: NNoM's, 2^x of the integers whatever their format; its values are no probabilities.
    """

    base_two: bool = False


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of its input: a Lambda layer without functions."""


@dataclass(frozen=True, slots=True)
class QOutput:
    """The end of the network."""


QOp = (
    QInput
    | QConv
    | QDense
    | QActivation
    | Pool
    | GlobalPool
    | ZeroPadding
    | Cropping
    | UpSample
    | Reshape
    | Flatten
    | QSoftmax
    | Concat
    | Merge
    | QRnn
    | Copy
    | QOutput
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QNode:
    """One NNoM layer. tail: an activation attached to it; its name in the model is tail_name.

    shape and dec describe the output, after the tail.
    """

    name: str
    op: QOp
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    dec: int
    tail: QActivation | None = None
    tail_name: str = ""

    @property
    def size(self) -> int:
        """Elements of the output."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, kw_only=True)
class QGraph:
    """Nodes in run order, first the input, last the output."""

    name: str
    nodes: tuple[QNode, ...]

    @cached_property
    def by_name(self) -> dict[str, QNode]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}

    @property
    def input(self) -> QNode:
        """The input node."""
        return self.nodes[0]

    def quantise(self, x: npt.NDArray[np.floating]) -> Int8:
        """Return int8 inputs for what the model takes, x (n, *input shape)."""
        op = self.input.op
        assert isinstance(op, QInput)
        return op.quantise(x)

    @property
    def output(self) -> QNode:
        """The output node."""
        return self.nodes[-1]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return sum(self.macs_of(node) for node in self.nodes)

    def macs_of(self, node: QNode) -> int:
        """Multiply-accumulates of one layer, as NNoM counts them."""
        match node.op:
            case QConv() as op:
                kh, kw = op.kernel
                per_output = kh * kw * (1 if op.depthwise else op.weight.shape[3])
                return node.size * per_output
            case QDense() as op:
                return int(op.weight.size)
            case QRnn() as op:
                steps = self.by_name[node.inputs[0]].shape[-2]
                extra = {CellKind.SIMPLE: 0, CellKind.GRU: 5 * op.units**2 + 11 * op.units}
                own = extra.get(op.kind, 10 * op.units)
                return steps * (int(op.weight.size + op.recurrent.size) + own)
            case (
                QInput() | QActivation() | Pool() | GlobalPool() | ZeroPadding() | Cropping()
                | UpSample() | Reshape() | Flatten() | QSoftmax() | Concat() | Merge() | Copy()
                | QOutput()
            ):  # fmt: skip
                return 0
            case never:
                assert_never(never)

    def library_decs(self, *, compat: bool) -> dict[str, int]:
        """Return each layer's output dec as the C library holds it, by layer name: the node's own.

        compat: NNoM leaves merges and pools the format of their input, whatever the shift, and a
        stand-alone activation does not tell it its fixed format (NNOM_COMPAT.md, Q-40); what
        follows inherits that.
        """
        if not compat:
            return {node.name: node.dec for node in self.nodes}
        wrong_by: dict[str, int] = {}
        for node in self.nodes:
            inherited = wrong_by[node.inputs[0]] if node.inputs else 0
            tail_is_fixed = node.tail is not None and node.tail.fixed_dec is not None
            act_is_fixed = isinstance(node.op, QActivation) and node.op.fixed_dec is not None
            if tail_is_fixed or isinstance(node.op, QSoftmax | QRnn):
                inherited = 0
            elif act_is_fixed or isinstance(node.op, Merge | Pool | GlobalPool):
                inherited += self.by_name[node.inputs[0]].dec - node.dec
            wrong_by[node.name] = inherited
        return {node.name: node.dec + wrong_by[node.name] for node in self.nodes}

    @property
    def is_stateful(self) -> bool:
        """Whether an answer depends on the inputs before."""
        return any(isinstance(node.op, QRnn) and node.op.stateful for node in self.nodes)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over everything that decides the outputs, hexadecimal."""
        document, arrays = _document(self)
        document["name"] = ""  # a copy under another file name is the same model
        parts: list[bytes | str] = [json.dumps(document, sort_keys=True)]
        for key in sorted(arrays):
            parts += [key, str(arrays[key].shape), arrays[key].tobytes()]
        return digest(*parts)


def shape3d(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return NNoM's reading of a shape as (h, w, c)."""
    h, w, c = (1, 1, 1, *shape)[-3:]
    return h, w, c


def in_run_order(graph: QGraph) -> QGraph:
    """Return the graph with its nodes as the library runs them, which is how it numbers them.

    Depth first: a layer once all its inputs are there, then its readers, in order of creation.
    """
    readers: dict[str, list[QNode]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            readers[name].append(node)
    ordered: dict[str, QNode] = {}
    waiting = [graph.input]
    while waiting:
        node = waiting.pop()
        if node.name not in ordered and all(name in ordered for name in node.inputs):
            ordered[node.name] = node
            waiting += reversed(readers[node.name])
    return QGraph(name=graph.name, nodes=tuple(ordered.values()))


# ---- on disk

_SCHEMA: Final = "nnom-hil/qgraph/1"
_TYPES: dict[str, type] = {
    t.__name__: t
    for t in (*get_args(QOp), QNode, Padding, PoolKind, MergeKind, ActivationKind, CellKind)
}


def _document(graph: QGraph) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    nodes, arrays = taken_apart(graph.nodes)
    return {"schema": _SCHEMA, "name": graph.name, "nodes": nodes}, arrays


def save_qgraph(graph: QGraph) -> bytes:
    """Return the graph as an .npz file."""
    return to_npz(*_document(graph))


def load_qgraph(data: bytes) -> QGraph:
    """Read what save_qgraph wrote; raises ModelError for anything else."""
    try:
        document, arrays = from_npz(data, _SCHEMA)
        return QGraph(name=document["name"], nodes=unpacked(document["nodes"], arrays, _TYPES))
    except UNREADABLE as exc:
        raise ModelError(f"not a quantised graph: {exc}") from exc
