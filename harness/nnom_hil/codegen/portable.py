"""Rewrites a quantised graph so that NNoM 0.4.3 computes with it what our library does.

NNoM has faults that a model can avoid (NNOM_COMPAT.md, section 6). Afterwards both libraries give
the right result; what cannot be avoided is refused. The property behind it: the reference's NNoM
behaviour on the rewritten graph equals its right behaviour on the first one.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

import numpy as np

from nnom_hil.errors import ModelError
from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.graph import (
    ActivationKind,
    CellKind,
    Cropping,
    Flatten,
    GlobalPool,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
    ZeroPadding,
    unused_name,
)
from nnom_hil.model.qgraph import (
    Concat,
    Copy,
    Merge,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOp,
    QOutput,
    QRnn,
    QSoftmax,
    in_run_order,
    shape3d,
)
from nnom_hil.model.windows import output_length, same_pad

__all__ = ["portable"]

Layer = tuple[str, QOp, tuple[str, ...], QActivation | None, str]
_TABLES = {ActivationKind.TANH, ActivationKind.SIGMOID}


def portable(graph: QGraph) -> QGraph:
    """Return a graph that is right on either library; raises ModelError listing what cannot be."""
    problems = [f"  {node.name}: {why}" for node in graph.nodes for why in _problems(graph, node)]
    if problems:
        raise ModelError("not portable to NNoM's own library:\n" + "\n".join(problems))
    return _Rewrite(graph).graph()


def _problems(graph: QGraph, node: QNode) -> Iterator[str]:
    for act in (node.tail, node.op):
        if isinstance(act, QActivation) and act.kind in _TABLES and not 4 <= act.dec <= 7:
            yield f"{act.kind.value} of {act.dec} fraction bits: NNoM's table works for 4 to 7"
        if isinstance(act, QActivation) and act.threshold:
            yield f"a ReLU with threshold {act.threshold:g}: NNoM keeps a value that is just that"
    source = graph.by_name[node.inputs[0]] if node.inputs else node
    match node.op:
        case QConv() as op if op.transposed:
            yield "NNoM's transposed convolution is none"
        case QConv() as op if op.pad_value and op.padding is not Padding.VALID:
            yield f"cells of {op.pad_value} around the image: NNoM has zeros"
        case UpSample() as op if op.factor[0] != op.factor[1]:
            yield f"up-sampling by {op.factor}: NNoM's is right for equal factors only"
        case Pool() as op if _pads_differently(source, op.size, op.padding, op.stride, (1, 1)):
            if op.kind is not PoolKind.MAX or not _is_positive(graph, source):
                yield (
                    "strided SAME pooling: NNoM pads otherwise, and zeros can stand in for padding "
                    "only in front of a max pool whose input is not negative"
                )
        case QSoftmax(base_two=False):
            yield "NNoM's softmax has base two; quantise with portable formats"
        case QRnn() as op:
            yield from _rnn_problems(op, source.dec)
        case (
            QInput() | QConv() | QDense() | QActivation() | Pool() | GlobalPool() | ZeroPadding()
            | Cropping() | UpSample() | Reshape() | Flatten() | QSoftmax() | Concat() | Merge()
            | Copy() | QOutput()
        ):  # fmt: skip
            pass
        case never:
            assert_never(never)


def _rnn_problems(op: QRnn, in_dec: int) -> Iterator[str]:
    if op.go_backwards and op.return_sequence and not op.time_order:
        yield "go_backwards with return_sequences: NNoM keeps the sequence in time order"
    if op.sum_dec < 4 or (op.kind is CellKind.LSTM and op.c_dec < 4):
        yield "its sums exceed 8, beyond which NNoM's tables wrap"
    if op.kind is CellKind.SIMPLE and op.units % 4 and op.units > 4 and _bias_matters(op.bias):
        yield f"{op.units} units: NNoM's simple cell mixes up biases unless units are 4 n"
    if op.kind is CellKind.GRU and op.bias is not None:
        if op.bias.size == 3 * op.units:
            yield "reset_after=False: NNoM's GRU has the other form only"
        elif in_dec + op.weight_dec != op.h_dec + op.recurrent_dec:
            yield "the products of input and state differ in format; quantise with portable formats"


def _bias_matters(bias: object) -> bool:
    return bias is not None and bool(np.any(np.asarray(bias)))


def _mixes_biases(op: QDense) -> bool:
    """Whether NNoM's dense kernel reads wrong biases behind the last four rows (Q-11)."""
    return len(op.weight) > 4 and bool(len(op.weight) % 4) and _bias_matters(op.bias)


def _pads_differently(
    source: QNode,
    kernel: tuple[int, int],
    padding: Padding,
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> bool:
    shape = shape3d(source.shape)
    ours, theirs = (
        same_pad(shape, kernel, padding, stride, dilation, compat=compat)
        for compat in (False, True)
    )
    return ours != theirs


def _is_positive(graph: QGraph, node: QNode) -> bool:
    """Whether a layer's output has no negative values."""
    while True:
        for act in (node.tail, node.op):
            if isinstance(act, QActivation):
                relu = act.kind is ActivationKind.RELU
                clipped = act.kind is ActivationKind.ADV_RELU and act.negative_slope == 0
                if relu or clipped or act.kind is ActivationKind.SIGMOID:
                    return True
        if not isinstance(node.op, Pool | ZeroPadding | Flatten | Reshape | UpSample):
            return False
        node = graph.by_name[node.inputs[0]]


class _Rewrite:
    """One graph in the making."""

    def __init__(self, graph: QGraph) -> None:
        self._old = graph
        self._layers: list[Layer] = []
        self._now: dict[str, str] = {}  # old layer -> the one that has its values
        self._names = {name for n in graph.nodes for name in (n.name, n.tail_name)}

    def graph(self) -> QGraph:
        for node in self._old.nodes:
            inputs = tuple(self._now[name] for name in node.inputs)
            self._now[node.name] = self._layer(node, inputs)
        return in_run_order(make_qgraph(self._old.name, self._layers))

    def _add(
        self,
        name: str,
        op: QOp,
        inputs: tuple[str, ...],
        tail: QActivation | None = None,
        tail_name: str = "",
    ) -> str:
        self._layers.append((name, op, inputs, tail, tail_name))
        return name

    def _new_name(self, name: str) -> str:
        name = unused_name(name, self._names)
        self._names.add(name)
        return name

    def _helper(self, name: str, op: QOp, source: str) -> str:
        """Add a layer that the model does not have."""
        return self._add(self._new_name(name), op, (source,))

    def _layer(self, node: QNode, inputs: tuple[str, ...]) -> str:
        op, tail = node.op, (node.tail, node.tail_name)
        source = self._old.by_name[node.inputs[0]] if node.inputs else node
        if isinstance(op, QOutput):
            return self._add(node.name, op, inputs)
        if isinstance(op, QActivation):
            # NNoM tells a format of its own to tails only, runs activations in place though
            # others read, and lets all readers of a layer see its tail
            copy = self._new_name(f"{node.name}_copy")
            return self._add(copy, Copy(), inputs, op, node.name)
        nothing_ran = all(
            isinstance(layer[1], QInput | Reshape | Flatten) for layer in self._layers
        )
        if self._layers and nothing_ran and isinstance(op, Pool | GlobalPool | QRnn):
            # NNoM gives no memory to what stands behind an empty scratch block
            inputs = (self._helper(f"{node.name}_copy", Copy(), inputs[0]),)
        if len(source.shape) == 2 and _is_spatial(op):
            inputs = (
                self._helper(f"{node.name}_axes", Reshape(shape=(1, *source.shape)), inputs[0]),
            )
        if isinstance(op, Pool) or (isinstance(op, QConv) and not op.transposed):
            return self._window(node, op, inputs, source)
        if isinstance(op, QDense) and (op.is_per_unit or _mixes_biases(op)):
            return self._dense_as_conv(node, op, inputs[0])
        return self._add(node.name, op, inputs, *tail)

    def _window(self, node: QNode, op: QConv | Pool, inputs: tuple[str, ...], source: QNode) -> str:
        """Pad by a layer of its own where NNoM's SAME padding is another one (Q-05)."""
        kernel = op.kernel if isinstance(op, QConv) else op.size
        dilation = op.dilation if isinstance(op, QConv) else (1, 1)
        if _pads_differently(source, kernel, op.padding, op.stride, dilation):
            shape = shape3d(source.shape)
            before = same_pad(shape, kernel, op.padding, op.stride, dilation)
            border: list[int] = []
            for i in (0, 1):
                cells = output_length(shape[i], kernel[i], op.padding, op.stride[i], dilation[i])
                reach = (cells - 1) * op.stride[i] + (kernel[i] - 1) * dilation[i] + 1
                border += [before[i], max(reach - before[i] - shape[i], 0)]
            top, bottom, left, right = border
            pad = ZeroPadding(border=(top, bottom, left, right))
            inputs = (self._helper(f"{node.name}_pad", pad, inputs[0]),)
            op = replace(op, padding=Padding.VALID)
        return self._add(node.name, op, inputs, node.tail, node.tail_name)

    def _dense_as_conv(self, node: QNode, op: QDense, source: str) -> str:
        """NNoM's convolution has a format a channel, and every unit's own bias."""
        units, size = op.weight.shape
        flat = self._helper(f"{node.name}_cell", Reshape(shape=(1, 1, size)), source)
        conv = QConv(
            weight=op.weight.reshape(units, 1, 1, size),
            bias=op.bias,
            weight_dec=op.weight_dec,
            bias_dec=op.bias_dec,
            output_shift=op.output_shift,
            bias_shift=op.bias_shift,
            stride=(1, 1),
            dilation=(1, 1),
            padding=Padding.VALID,
            depthwise=False,
            dims=2,
        )
        self._add(node.name, conv, (flat,), node.tail, node.tail_name)
        return self._helper(f"{node.name}_flat", Reshape(shape=node.shape), node.name)


def _is_spatial(op: QOp) -> bool:
    """Whether NNoM's layer reads three axes, whatever its input has."""
    match op:
        case QConv() | Pool() | GlobalPool() | ZeroPadding() | Cropping() | UpSample():
            return True
        case (
            QInput() | QDense() | QActivation() | Reshape() | Flatten() | QSoftmax() | Concat()
            | Merge() | QRnn() | Copy() | QOutput()
        ):  # fmt: skip
            return False
        case never:
            assert_never(never)
