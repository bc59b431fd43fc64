"""What a firmware's image holds of a model's weights, against what it should hold; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from nnom_hil.codegen.names import c_identifiers
from nnom_hil.codegen.streams import interleaved_order
from nnom_hil.model.qgraph import Int8, QConv, QDense, QGraph, QNode, QRnn

__all__ = ["Contents", "HeldLayer", "held_layers"]

_ERASED: Final = 0xFF
_FEWEST: Final = 8


@dataclass(frozen=True, kw_only=True)
class Contents:
    """An image's constants by symbol. right: what they should be; held: what the image has, shorter
    where its end is missing, and without those that it has no name for.

    file_bytes, needed_bytes: of the image's file, and what its own headers say it has.
    """

    right: Mapping[str, bytes]
    held: Mapping[str, bytes]
    file_bytes: int = 0
    needed_bytes: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether the file ends before its image does."""
        return self.file_bytes < self.needed_bytes


@dataclass(frozen=True, kw_only=True)
class HeldLayer:
    """A layer's constants in the image. missing: bytes that are not there; different: that are
    others; of total. erased: where a run of 0xFF to the weights' end begins, None where there is
    none that the model does not have. node: the layer as the image has it, None where that cannot
    be told.
    """

    layer: str
    total: int
    missing: int
    different: int
    erased: int | None
    node: QNode | None

    @property
    def is_right(self) -> bool:
        """Whether all is there, and as it should be."""
        return not self.missing and not self.different


def held_layers(graph: QGraph, contents: Contents, *, interleaved: bool) -> dict[str, HeldLayer]:
    """Return what the image holds of each layer with weights, by name.

    Layers whose symbols the image does not have are left out. interleaved: dense weights are
    stored four rows at a time.
    """
    idents = c_identifiers([n for node in graph.nodes for n in (node.name, node.tail_name) if n])
    result = {}
    for node in graph.nodes:
        names = list(_symbols(node, idents[node.name], contents))
        if names and all(name in contents.held for name in names):
            result[node.name] = _held(node, idents[node.name], names, contents, interleaved)
    return result


def _symbols(node: QNode, ident: str, contents: Contents) -> Iterator[str]:
    if not isinstance(node.op, QConv | QDense | QRnn):
        return
    for name in contents.right:
        if name in (f"{ident}_output_shift", f"{ident}_bias_shift"):
            yield name
        elif name.startswith(f"tensor_{ident}_") and name.endswith("_0_data"):
            part = name.removeprefix(f"tensor_{ident}_").removesuffix("_0_data")
            parts = ("kernel", "bias", "depthwise_kernel")
            if part in parts or (isinstance(node.op, QRnn) and "_cell_" in part):
                yield name


def _held(
    node: QNode, ident: str, names: list[str], contents: Contents, interleaved: bool
) -> HeldLayer:
    total = missing = different = 0
    erased = None
    for name in names:
        right, held = contents.right[name], contents.held[name]
        total += len(right)
        missing += max(0, len(right) - len(held))
        different += sum(a != b for a, b in zip(right, held, strict=False))
        different += max(0, len(held) - len(right))
        if name.endswith("kernel_0_data") and (at := _erased_from(right, held)) is not None:
            erased = at
    return HeldLayer(
        layer=node.name,
        total=total,
        missing=missing,
        different=different,
        erased=erased,
        node=None if missing else _as_held(node, ident, names, contents.held, interleaved),
    )


def _erased_from(right: bytes, held: bytes) -> int | None:
    """Return where the weights' end begins to be erased, if more of it is than the model's own."""

    def run(data: bytes) -> int:
        return len(data) - len(data.rstrip(bytes([_ERASED])))

    own, found = run(right), run(held)
    return len(held) - found if found >= max(_FEWEST, own + 1) else None


def _as_held(
    node: QNode, ident: str, names: list[str], held: Mapping[str, bytes], interleaved: bool
) -> QNode | None:
    """Return the layer with the image's weights, biases and shifts."""
    op = node.op
    if not isinstance(op, QConv | QDense):
        return None
    changes: dict[str, Int8 | tuple[int, ...]] = {}
    for name in names:
        data = held[name]
        if name.endswith("kernel_0_data"):
            if len(data) != op.weight.size:
                return None
            changes["weight"] = _weights(op, data, interleaved)
        elif name == f"tensor_{ident}_bias_0_data":
            changes["bias"] = np.frombuffer(data, np.int8)
        else:
            shifts = tuple(int(v) for v in np.frombuffer(data, "<i4"))
            if not all(0 <= s <= 30 for s in shifts):
                return None
            changes[name.removeprefix(f"{ident}_")] = shifts
    if op.bias is None and not np.any(changes.get("bias", 0)):
        changes.pop("bias", None)
        changes.pop("bias_shift", None)
    return replace(node, op=replace(op, **changes))  # type: ignore[arg-type]


def _weights(op: QConv | QDense, data: bytes, interleaved: bool) -> Int8:
    stream = np.frombuffer(data, np.int8)
    if not (isinstance(op, QDense) and interleaved and not op.is_per_unit):
        return stream.reshape(op.weight.shape)
    weight = np.empty_like(stream)
    weight[interleaved_order(op)] = stream
    return weight.reshape(op.weight.shape)
