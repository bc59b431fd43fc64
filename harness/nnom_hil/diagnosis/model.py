"""What a trained network shows of itself: weights that are no numbers, channels that are dead."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from nnom_hil.explanations import Cause, Confidence, Finding
from nnom_hil.model.graph import (
    Conv,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    Reshape,
    Softmax,
)

__all__ = ["model_findings", "not_finite"]

_NAMED = 8


def model_findings(graph: FloatGraph) -> list[Finding]:
    """Return what is wrong with a float graph whatever its data."""
    return [*_double_softmax(graph), *_dead(graph)]


def not_finite(layer: str, field: str, values: npt.NDArray[np.floating]) -> Finding:
    """Return what is said of an array of a layer that holds NaN or infinity."""
    bad = ~np.isfinite(values)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return Finding(
        cause=Cause.NAN_WEIGHTS,
        confidence=Confidence.CERTAIN,
        layer=layer,
        says=f"layer {layer} has weights that are no numbers",
        evidence=(
            f"{field}: {int(bad.sum())} of {values.size} values are not finite "
            f"({int(np.isnan(values).sum())} NaN), the first at {first}",
        ),
        remedy="train again with a lower learning rate or with clipped gradients, or take an "
        "earlier checkpoint; no conversion can mend it",
    )


def _double_softmax(graph: FloatGraph) -> Iterator[Finding]:
    by_name = {node.name: node for node in graph.nodes}

    def source(node: FloatNode) -> FloatNode:
        before = by_name[node.inputs[0]]
        return source(before) if isinstance(before.op, Flatten | Reshape) else before

    for node in graph.nodes:
        if isinstance(node.op, Softmax) and isinstance((first := source(node)).op, Softmax):
            yield Finding(
                cause=Cause.DOUBLE_SOFTMAX,
                confidence=Confidence.CERTAIN,
                layer=node.name,
                says=f"layer {node.name} takes the softmax of a softmax ({first.name})",
                evidence=(
                    "the second one makes at most e times the smallest of the largest value: of "
                    "ten classes the surest answer is 0.23, which int8 hardly tells from others",
                ),
                remedy="take one of the two off the model: an activation='softmax' and a Softmax "
                "layer, or a Softmax put on for inference",
            )


def _dead(graph: FloatGraph) -> Iterator[Finding]:
    """Remark output channels whose weights and bias are all zero."""
    for node in graph.nodes:
        if not isinstance(node.op, Conv | Dense) or getattr(node.op, "depthwise", False):
            continue
        kernel = node.op.kernel.reshape(-1, node.op.kernel.shape[-1])
        dead = np.flatnonzero(~kernel.any(axis=0) & (node.op.bias == 0))
        if len(dead):
            yield Finding(
                cause=Cause.DEAD_CHANNELS,
                confidence=Confidence.CERTAIN,
                layer=node.name,
                is_fault=False,
                says=f"{len(dead)} of {kernel.shape[1]} channels of {node.name} have no weights",
                evidence=(f"channels {', '.join(map(str, dead[:_NAMED]))}: all weights are zero",),
                remedy="they cost time and flash and give nothing: a smaller layer does the same",
            )
