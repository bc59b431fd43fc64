"""How a header is written: which API, which order of data, and what it demands of the library."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from nnom_hil.model.qgraph import QConv, QDense, QGraph, QNode

__all__ = ["Api", "DenseOrder", "HeaderOptions", "Layout", "channel_first", "stored_order"]


class Api(StrEnum):
    """NNoM's two interfaces: configuration structures (0.4), or one constructor call a layer."""

    STRUCT = "struct"
    LAYER = "layer"


class Layout(StrEnum):
    """Order of data and weights, NNoM's NNOM_USING_CHW."""

    HWC = "hwc"
    CHW = "chw"


class DenseOrder(StrEnum):
    """Order of dense weights, NNoM's DENSE_WEIGHT_OPT: interleaved by four, or row by row."""

    INTERLEAVED = "interleaved"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderOptions:
    """portable: right on NNoM's own library as well; the graph must come from portable()."""

    api: Api = Api.STRUCT
    layout: Layout = Layout.HWC
    dense_order: DenseOrder = DenseOrder.INTERLEAVED
    portable: bool = False

    @property
    def tells_formats(self) -> bool:
        """Whether the library learns each layer's fraction bits; the layer API has no room."""
        return self.api is Api.STRUCT

    def guards(self, *, has_dense: bool, needs: Mapping[str, str] | None = None) -> list[str]:
        """Return preprocessor lines that stop a build for a library that reads the header wrongly.

        has_dense: layers with one weight format, whose order depends on a switch. needs: macros of
        what only our library has, and what it is.
        """
        unless = {Layout.HWC: "#ifdef", Layout.CHW: "#ifndef"}[self.layout]
        word = {Layout.HWC: "without", Layout.CHW: "with"}[self.layout]
        lines = [
            f"{unless} NNOM_USING_CHW",
            f'#error "this header is for a library built {word} NNOM_USING_CHW"',
            "#endif",
        ]
        if has_dense:
            opt = self.dense_order is DenseOrder.INTERLEAVED
            lines += [
                f"#if {'!' if opt else ''}DENSE_WEIGHT_OPT",
                f'#error "this header is for a library built with DENSE_WEIGHT_OPT {int(opt)}"',
                "#endif",
            ]
        for macro, what in (needs or {}).items():
            lines += [
                f"#ifndef {macro}",
                f'#error "{what}: build on the NNoM library of nnom-hil, or convert with '
                '--portable"',
                "#endif",
            ]
        return lines


def stored_order(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the h, w, c index of each element as channel-first memory has them."""
    index = np.arange(int(np.prod(shape))).reshape(shape)
    return np.moveaxis(index, -1, 0).ravel() if len(shape) > 1 else index


def channel_first(graph: QGraph) -> QGraph:
    """Return the graph with weights in the order that a channel-first build reads.

    Their order in memory is what matters, so the arrays keep their shapes and only pretend to
    have the old axes: such a graph is for writing, not for running.
    """

    def reordered(node: QNode) -> QNode:
        op = node.op
        if isinstance(op, QConv) and not op.depthwise:
            axes = (1, 2, 0, 3) if op.transposed else (1, 2, 3, 0)
            stream = np.ascontiguousarray(op.weight.transpose(axes)).reshape(op.weight.shape)
            return replace(node, op=replace(op, weight=stream))
        if isinstance(op, QDense):
            order = stored_order(graph.by_name[node.inputs[0]].shape)
            return replace(node, op=replace(op, weight=np.ascontiguousarray(op.weight[:, order])))
        return node

    return QGraph(name=graph.name, nodes=tuple(reordered(node) for node in graph.nodes))
