"""Graphs as files: one .npz, JSON for the structure and the arrays beside it."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["UNREADABLE", "Arrays", "from_npz", "taken_apart", "to_npz", "unpacked"]

Arrays = Mapping[str, npt.NDArray[Any]]
UNREADABLE: Final = (
    OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What from_npz() and unpacked() raise for what is no such file."""

_DOCUMENT: Final = "document"


def taken_apart(value: Any) -> tuple[Any, dict[str, npt.NDArray[Any]]]:
    """Return what JSON holds of dataclasses, enumerations and tuples, and the arrays in them."""
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

    return encode(value), arrays


def unpacked(value: Any, arrays: Arrays, types: Mapping[str, type]) -> Any:
    """Return what taken_apart() was given; types: those that may be in it, by name."""
    if isinstance(value, list):
        return tuple(unpacked(v, arrays, types) for v in value)
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]]
    if "$enum" in value:
        return types[value["$enum"]](value["value"])
    body = {k: unpacked(v, arrays, types) for k, v in value.items() if k != "$type"}
    return types[value["$type"]](**body)


def to_npz(document: Mapping[str, Any], arrays: Arrays, *, compressed: bool = False) -> bytes:
    """Return a file of a document and arrays."""
    text = np.frombuffer(json.dumps(document, sort_keys=True).encode(), dtype=np.uint8)
    held = {_DOCUMENT: text, **arrays}
    buffer = BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, allow_pickle=False, **held)
    return buffer.getvalue()


def from_npz(data: bytes, schema: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return a file's document and arrays; ValueError is that it is of another schema."""
    with np.load(BytesIO(data), allow_pickle=False) as npz:
        arrays = {key: npz[key] for key in npz.files}
    document: dict[str, Any] = json.loads(arrays.pop(_DOCUMENT).tobytes())
    if document["schema"] != schema:
        raise ValueError(f"schema {document['schema']!r} is unknown")
    return document, arrays
