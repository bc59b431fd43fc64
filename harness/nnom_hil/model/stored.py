"""A float graph as a file: a bundled model is read without the framework it was trained in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import (
    ActivationKind,
    CellKind,
    FloatGraph,
    FloatNode,
    FloatOp,
    MergeKind,
    Padding,
    PoolKind,
)
from nnom_hil.model.packed import UNREADABLE, from_npz, taken_apart, to_npz, unpacked

__all__ = ["StoredModel", "read_stored", "write_stored"]

Floats = npt.NDArray[np.float32]
_SCHEMA: Final = "nnom-hil/float/1"
_CHUNK: Final = 64
_TYPES: Final[Mapping[str, type]] = {
    t.__name__: t
    for t in (
        *get_args(FloatOp), FloatNode, Padding, PoolKind, MergeKind, ActivationKind, CellKind,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A float graph that was read once. output_shape: as its framework gave it, for one vector.

    libraries: versions of the packages that read it. What it predicts is the graph's own outputs;
    a test holds them against the framework's.
    """

    graph: FloatGraph
    output_shape: tuple[int, ...]
    libraries: Mapping[str, str]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one vector."""
        return self.graph.input.shape

    def placed(self, x: Floats) -> Floats:
        """Return vectors as the graph takes them: as they are."""
        return x

    def labels(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels in the order of the graph's output: as they are."""
        return y

    def check(self, x: Floats) -> None:
        """Do nothing: a test holds the graph against the framework."""

    def predict(self, x: Floats) -> Floats:
        """Return the graph's outputs (n, outputs) for x (n, *input shape)."""
        last = self.graph.nodes[-1].name
        parts = [x[i : i + _CHUNK] for i in range(0, len(x), _CHUNK)]
        outputs = [run_float(self.graph, part)[last].reshape(len(part), -1) for part in parts]
        return np.concatenate(outputs).astype(np.float32)


def write_stored(model: StoredModel) -> bytes:
    """Return the file's bytes."""
    nodes, arrays = taken_apart(model.graph.nodes)
    document = {
        "schema": _SCHEMA,
        "name": model.graph.name,
        "nodes": nodes,
        "output_shape": model.output_shape,
        "libraries": dict(model.libraries),
    }
    return to_npz(document, arrays, compressed=True)


def read_stored(path: Path) -> StoredModel:
    """Read what write_stored gave; raises ModelError for anything else."""
    try:
        document, arrays = from_npz(path.read_bytes(), _SCHEMA)
        nodes = unpacked(document["nodes"], arrays, _TYPES)
        return StoredModel(
            graph=FloatGraph(name=document["name"], nodes=nodes),
            output_shape=tuple(document["output_shape"]),
            libraries=document["libraries"],
        )
    except UNREADABLE as exc:
        raise ModelError(
            f"{path}: not a stored float graph: {type(exc).__name__}: {exc}; this installation is "
            "damaged, reinstall nnom-hil"
        ) from exc
