"""What each layer gave on the target, beside what the reference says."""

from collections.abc import Mapping
from io import BytesIO
from typing import Final

import numpy as np

from nnom_hil.codegen.layouts import Layout
from nnom_hil.errors import TargetError, UsageError, did_you_mean
from nnom_hil.link.client import AgentClient, AgentRefusedError
from nnom_hil.link.frame import AgentError
from nnom_hil.model.qgraph import Int8, QGraph
from nnom_hil.model.reference import run_all_layers
from nnom_hil.records import CrossCheck

__all__ = ["TENSORS_FILE", "check_tensors", "fetch_tensors", "tensors_npz", "wanted_layers"]

TENSORS_FILE: Final = "tensors.npz"
_ALL: Final = "all"


def wanted_layers(graph: QGraph, asked: str | None) -> tuple[str, ...]:
    """Return the layers that "all" or names with commas stand for, in run order.

    Raises UsageError for a name that the model does not have.
    """
    names = tuple(node.name for node in graph.nodes)
    if asked is None:
        return ()
    if asked == _ALL:
        return names
    wanted = {name.strip() for name in asked.split(",")}
    for name in sorted(wanted - set(names)):
        raise UsageError(
            f"--tensors {name!r}: the model has no such layer; there are: {', '.join(names)}"
            f"{did_you_mean(name, names)}"
        )
    return tuple(name for name in names if name in wanted)


def fetch_tensors(
    client: AgentClient, graph: QGraph, x: Int8, wanted: tuple[str, ...], layout: Layout
) -> dict[str, Int8]:
    """Return the outputs of layers, by name and in their shapes, for one input x (inputs).

    layout: the firmware's; the tensors have their channels last in any. Raises TargetError where
    the firmware cannot tell them, or tells of other sizes.
    """
    client.time_layers(x.tobytes(), quiet=False)  # which leaves the input on the target
    tensors = {}
    for number, node in enumerate(graph.nodes):
        if node.name not in wanted:
            continue
        try:
            data = client.tensor(number)
        except AgentRefusedError as exc:
            known = exc.code != AgentError.UNKNOWN_TYPE
            why = f"it refuses (error {exc.code})" if known else "it was built before it could"
            raise TargetError(
                f"the firmware does not tell what layer {node.name} gave: {why}"
            ) from exc
        size = int(np.prod(node.shape))
        if len(data) != size:
            raise TargetError(
                f"layer {node.name} gave {len(data)} bytes on the target, expected {size}"
            )
        tensor = np.frombuffer(data, dtype=np.int8)
        if layout is Layout.CHW:
            tensor = np.moveaxis(tensor.reshape(node.shape[-1], *node.shape[:-1]), 0, -1)
        tensors[node.name] = tensor.reshape(node.shape)
    return tensors


def tensors_npz(tensors: Mapping[str, Int8]) -> bytes:
    """Return the tensors as an .npz, an array a layer."""
    file = BytesIO()
    np.savez(file, allow_pickle=False, **tensors)
    return file.getvalue()


def check_tensors(
    graph: QGraph, x: Int8, tensors: Mapping[str, Int8], *, compat: bool
) -> CrossCheck:
    """Compare tensors with the reference's for the same input; tells the first that differs."""
    reference = run_all_layers(graph, x.reshape(1, *graph.input.shape), compat=compat)
    for node in graph.nodes:
        if node.name not in tensors:
            continue
        got, right = tensors[node.name].ravel(), reference[node.name].ravel()
        wrong = np.flatnonzero(got != right)
        if wrong.size:
            first = int(wrong[0])
            return CrossCheck(
                what="outputs of the layers",
                ok=False,
                detail=f"{node.name} is the first that is not the reference's: {wrong.size} of "
                f"{got.size} values, the first at {first}: expected {int(right[first])}, got "
                f"{int(got[first])}",
            )
    return CrossCheck(what="outputs of the layers", ok=True)
