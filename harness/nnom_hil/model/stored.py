"""A float graph as a file, so that a bundled model is read without the framework it was trained in.

One .npz: JSON for the structure, and the arrays beside it.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from io import BytesIO
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

__all__ = ["StoredModel", "read_stored", "write_stored"]

Floats = npt.NDArray[np.float32]
_SCHEMA: Final = "nnom-hil/float/1"
_CHUNK: Final = 64
_UNREADABLE: Final = (
    OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
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
    arrays: dict[str, npt.NDArray[Any]] = {}

    def encode(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            key = f"a{len(arrays)}"
            arrays[key] = value
            return {"$array": key}
        if isinstance(value, Enum):
            return {"$enum": type(value).__name__, "value": value.value}
        if is_dataclass(value):
            body = {f.name: encode(getattr(value, f.name)) for f in fields(value)}
            return {"$type": type(value).__name__, **body}
        return [encode(v) for v in value] if isinstance(value, tuple) else value

    document = {
        "schema": _SCHEMA,
        "name": model.graph.name,
        "nodes": [encode(node) for node in model.graph.nodes],
        "output_shape": model.output_shape,
        "libraries": dict(model.libraries),
    }
    text = np.frombuffer(json.dumps(document, sort_keys=True).encode(), dtype=np.uint8)
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, document=text, **arrays)
    return buffer.getvalue()


def read_stored(path: Path) -> StoredModel:
    """Read what write_stored gave; raises ModelError for anything else."""
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as npz:
            arrays = {key: npz[key] for key in npz.files}
        document = json.loads(arrays.pop("document").tobytes())
        if document["schema"] != _SCHEMA:
            raise ValueError(f"schema {document['schema']!r} is unknown")
        graph = FloatGraph(name=document["name"], nodes=_decode(document["nodes"], arrays))
        return StoredModel(
            graph=graph,
            output_shape=tuple(document["output_shape"]),
            libraries=document["libraries"],
        )
    except _UNREADABLE as exc:
        raise ModelError(
            f"{path}: not a stored float graph: {type(exc).__name__}: {exc}; this installation is "
            "damaged, reinstall nnom-hil"
        ) from exc


def _decode(value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(v, arrays) for v in value)
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]]
    if "$enum" in value:
        return _TYPES[value["$enum"]](value["value"])
    body = {key: _decode(v, arrays) for key, v in value.items() if key != "$type"}
    return _TYPES[value["$type"]](**body)
