"""ONNX files become messages of its schema, within limits; files beside them are read by us."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import HilError, ModelError
from nnom_hil.extras import need
from nnom_hil.model.translation.limits import (
    MAX_TENSOR_FILE,
    MOST_OPERATORS,
    check_file,
)
from nnom_hil.model.translation.problems import one_line

__all__ = ["LoadedOnnx", "array_of", "load_onnx", "need_onnx", "onnx_files"]

_FIRST_OPSET: Final = 11
_MOST_MESSAGES: Final = 200_000
_DOMAINS: Final = {"", "ai.onnx"}
_AGAIN: Final = "export or copy the model again"
_GRAPH_FIELD: Final = 7  # of a model in ONNX's schema
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, kw_only=True)
class LoadedOnnx:
    """A model's message, and the same as bytes that need no other file."""

    proto: Any
    content: bytes


def need_onnx() -> None:
    """Raise ToolError with the command where a package for ONNX is missing."""
    need("onnx", "reading ONNX models")


def load_onnx(path: Path) -> LoadedOnnx:
    """Read a model and the files beside it that hold its weights; raises ModelError."""
    check_file(path, MAX_TENSOR_FILE)
    try:
        content = path.read_bytes()
        proto = _parsed(content, path)
        if files := _external(proto, path):
            _take_in(files, path)
            content = proto.SerializeToString()
        _check(proto, path)
        return LoadedOnnx(proto=proto, content=content)
    except HilError:
        raise
    except OSError as exc:
        raise ModelError(f"{path}: cannot read the model: {exc.strerror}") from exc
    except Exception as exc:
        raise ModelError(
            f"{path}: cannot be read as an ONNX model: {type(exc).__name__}: {one_line(exc)}; "
            f"{_AGAIN}"
        ) from exc


def onnx_files(path: Path) -> list[Path]:
    """Return the file and those beside it that hold its weights; raises ModelError, or
    ToolError where a package is needed that is missing.
    """
    check_file(path, MAX_TENSOR_FILE)
    content = path.read_bytes()
    if b"location" not in content:  # the key of a place in another file
        return [path]
    need_onnx()
    beside = {place.file for place in _external(_parsed(content, path), path)}
    return [path, *sorted(beside)]


def _parsed(content: bytes, path: Path) -> Any:
    import onnx

    _check_messages(content, path)
    try:
        proto = onnx.ModelProto.FromString(content)
    except Exception as exc:  # whatever the installed protobuf raises
        raise ModelError(
            f"{path}: cannot be read as an ONNX model: {one_line(exc)}; {_AGAIN}"
        ) from exc
    if not proto.HasField("graph") or not proto.ir_version:
        raise ModelError(f"{path}: not an ONNX model: it has no graph; {_AGAIN}")
    return proto


def _check_messages(content: bytes, path: Path) -> None:
    """Refuse a file of very many parts before it is parsed: each takes many times its bytes."""
    pending, count = [(0, len(content), 0)], 0
    while pending:
        at, end, depth = pending.pop()
        try:
            for field, start, stop in _fields(content, at, end):
                count += 1
                # model, graph, and what stands in a node: tensors' bytes are not looked into
                if (depth == 0 and field == _GRAPH_FIELD) or (depth == 1 and field == 1):
                    pending.append((start, stop, depth + 1))
                if count > _MOST_MESSAGES:
                    raise ModelError(f"{path}: more than {_MOST_MESSAGES} parts; {_AGAIN}")
        except (IndexError, ValueError) as exc:
            raise ModelError(
                f"{path}: cannot be read as an ONNX model: it is no protobuf message, or cut off; "
                f"{_AGAIN}"
            ) from exc


def _fields(content: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field, start, stop) of a protobuf message's fields (protobuf.dev, Encoding)."""
    while at < end:
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            start, (_, at) = at, _varint(content, at)
        elif kind == _BYTES:
            length, start = _varint(content, at)
            at = start + length
        elif kind in {_FIXED64, _FIXED32}:
            start, at = at, at + (8 if kind == _FIXED64 else 4)
        else:
            raise ValueError(f"wire type {kind}")
        if at > end:
            raise ValueError("cut off")
        yield key >> 3, start, at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number of more than 64 bits")


# ---- weights in other files ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a tensor's bytes are: a file beside the model, from `offset` on."""

    tensor: Any
    file: Path
    offset: int
    length: int


def _tensors(proto: Any) -> Iterator[Any]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _external(proto: Any, path: Path) -> list[_Place]:
    """Return the tensors whose bytes are in other files, all beside it; raises ModelError."""
    import onnx

    found = []
    folder = path.resolve().parent
    for tensor in _tensors(proto):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        facts = {entry.key: entry.value for entry in tensor.external_data}
        location = facts.get("location", "")
        file = (folder / location).resolve()
        if not location or Path(location).is_absolute() or folder not in file.parents:
            raise ModelError(
                f"{path}: tensor {tensor.name!r} is kept in {location!r}, outside the model's "
                "folder; it is not read: save the model with its weights beside it"
            )
        offset, length = int(facts.get("offset", 0)), int(facts.get("length", -1))
        size = check_file(file, MAX_TENSOR_FILE)
        length = size - offset if length < 0 else length
        if offset < 0 or length < 0 or offset + length > size:
            raise ModelError(
                f"{path}: tensor {tensor.name!r} lies beyond the end of {file.name}; {_AGAIN}"
            )
        found.append(_Place(tensor=tensor, file=file, offset=offset, length=length))
    if (total := sum(place.length for place in found)) > MAX_TENSOR_FILE:
        raise ModelError(f"{path}: {total} bytes of weights; it may have {MAX_TENSOR_FILE}")
    return found


def _take_in(places: list[_Place], path: Path) -> None:
    """Put the bytes of other files into the message."""
    for place in places:
        with place.file.open("rb") as file:
            file.seek(place.offset)
            content = file.read(place.length)
        if len(content) != place.length:
            raise ModelError(f"{path}: {place.file.name} changed while it was read; {_AGAIN}")
        place.tensor.raw_data = content
        place.tensor.ClearField("external_data")
        place.tensor.ClearField("data_location")


# ---- what may be in a model ----------------------------------------------------------------------


def _check(proto: Any, path: Path) -> None:
    import onnx

    graph = proto.graph
    if max(len(graph.node), len(graph.initializer)) > MOST_OPERATORS:
        raise ModelError(f"{path}: cannot be converted: more than {MOST_OPERATORS} operators")
    versions = [o.version for o in proto.opset_import if o.domain in _DOMAINS]
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1:
        raise ModelError(f"{path}: it names {len(versions)} versions of ONNX's operators; {_AGAIN}")
    if not _FIRST_OPSET <= versions[0] <= newest:
        remedy = (
            f"export it with opset_version={_FIRST_OPSET} or later"
            if versions[0] < _FIRST_OPSET
            else f"export it with opset_version={newest}, or: pip install --upgrade onnx"
        )
        raise ModelError(
            f"{path}: opset {versions[0]}: {_FIRST_OPSET} to {newest} can be read; {remedy}"
        )
    if proto.functions:
        raise ModelError(
            f"{path}: it holds functions of its own; write them out first: "
            "onnx.save(onnx.inliner.inline_local_functions(onnx.load(FILE)), FILE)"
        )
    if graph.sparse_initializer:
        raise ModelError(f"{path}: it has sparse weights; export it with dense ones")


def array_of(tensor: Any) -> npt.NDArray[Any]:
    """Return a tensor's numbers; raises ValueError for others, or as many as its shape says not."""
    import onnx
    from onnx import numpy_helper

    if tensor.data_type in {onnx.TensorProto.STRING, onnx.TensorProto.UNDEFINED}:
        raise ValueError("it holds no numbers")
    dims = [int(d) for d in tensor.dims]
    if any(d < 0 for d in dims) or math.prod(dims) > MAX_TENSOR_FILE:
        raise ValueError(f"shape {dims}")
    array = np.asarray(numpy_helper.to_array(tensor))
    if array.dtype.kind not in "fiub":
        raise ValueError(f"it holds {array.dtype}, which is not converted")
    return array
