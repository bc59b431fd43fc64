"""TFLite files become lists of tensors and operators: indices looked at, lengths within limits.

A flatbuffer is read in place, by offsets that a damaged file may have anywhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import HilError, ModelError
from nnom_hil.model.translation.limits import MAX_TENSOR_FILE, MOST_OPERATORS, check_file
from nnom_hil.model.translation.problems import one_line

__all__ = ["LoadedTflite", "Operator", "TensorInfo", "load_tflite"]

Array = npt.NDArray[Any]

_MAGIC: Final = b"TFL3"
_MOST_TENSORS: Final = 4 * MOST_OPERATORS
_MOST_NAME: Final = 10_000
_MOST_NUMBERS: Final = 64  # inputs of an operator, axes of a tensor
_NAME_SLOT: Final = 10  # of a tensor's name in TFLite's schema
_CUSTOM: Final = "CUSTOM"
_AGAIN: Final = "convert or copy the model again"
_TYPES: Final = {
    "FLOAT32": np.float32, "FLOAT16": np.float16, "FLOAT64": np.float64, "INT32": np.int32,
    "INT64": np.int64, "BOOL": np.bool_, "INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """What the file says of a tensor. kind: its type's name; constant: its numbers, if any."""

    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    kind: str
    constant: Array | None
    variable: bool


@dataclass(frozen=True, kw_only=True)
class Operator:
    """kind: the operator's name in the schema. options: reads them by name. -1: no input."""

    kind: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Any


@dataclass(frozen=True, kw_only=True)
class LoadedTflite:
    """A model's one graph, and the file's bytes."""

    content: bytes
    tensors: Sequence[TensorInfo]
    operators: Sequence[Operator]
    inputs: Sequence[int]
    outputs: Sequence[int]


def load_tflite(path: Path) -> LoadedTflite:
    """Read a model; raises ModelError."""
    check_file(path, MAX_TENSOR_FILE)
    try:
        content = path.read_bytes()
        if content[4:8] != _MAGIC:
            raise ModelError(
                f"{path}: not a TFLite model: it begins with {content[:8]!r}; {_AGAIN}"
            )
        return _loaded(content, path)
    except HilError:
        raise
    except OSError as exc:
        raise ModelError(f"{path}: cannot read the model: {exc.strerror}") from exc
    except Exception as exc:  # offsets beyond the end: struct's and NumPy's errors
        raise ModelError(
            f"{path}: cannot be read as a TFLite model: it is damaged ({type(exc).__name__}: "
            f"{one_line(exc)}); {_AGAIN}"
        ) from exc


def _loaded(content: bytes, path: Path) -> LoadedTflite:
    import tflite

    model = tflite.Model.GetRootAs(content)
    if not model.SubgraphsLength():
        raise ValueError("no graph")
    graph = model.Subgraphs(0)  # others are bodies of loops and branches
    counts = (graph.OperatorsLength(), model.OperatorCodesLength())
    if max(counts) > MOST_OPERATORS or graph.TensorsLength() > _MOST_TENSORS:
        raise ModelError(f"{path}: cannot be converted: more than {MOST_OPERATORS} operators")
    types = _names(tflite.TensorType)
    count = graph.TensorsLength()
    tensors = [_tensor(model, graph.Tensors(i), types) for i in range(count)]
    kinds = _kinds(model)
    operators = [_operator(graph.Operators(i), kinds, count) for i in range(counts[0])]
    return LoadedTflite(
        content=content,
        tensors=tensors,
        operators=operators,
        inputs=_indices(graph, "Inputs", count),
        outputs=_indices(graph, "Outputs", count),
    )


def _names(enumeration: Any) -> dict[int, str]:
    return {v: name for name, v in vars(enumeration).items() if isinstance(v, int)}


def _kinds(model: Any) -> list[str]:
    """Return the operators' names by their codes, which later versions keep in another field."""
    import tflite

    names = _names(tflite.BuiltinOperator)
    kinds = []
    for i in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(i)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = names.get(number, f"operator {number}")
        if kind == _CUSTOM:
            kind = (code.CustomCode() or b"")[:100].decode(errors="replace") or _CUSTOM
        kinds.append(kind)
    return kinds


def _tensor(model: Any, tensor: Any, types: dict[int, str]) -> TensorInfo:
    offset = tensor._tab.Offset(_NAME_SLOT)
    if offset and tensor._tab.VectorLen(offset) > _MOST_NAME:
        raise ValueError("a name that does not end")
    shape = _numbers(tensor, "Shape")
    kind = types.get(tensor.Type(), "?")
    if not 0 <= tensor.Buffer() < model.BuffersLength():
        raise ValueError("a buffer that there is not")
    buffer = model.Buffers(tensor.Buffer())
    constant: Array | None = None
    if buffer.DataLength():
        dtype = _TYPES.get(kind)
        size = math.prod(shape)
        if min(shape, default=0) < 0 or dtype is None:
            raise ValueError(f"a constant of type {kind} and shape {shape}")
        data = buffer.DataAsNumpy()
        if size * np.dtype(dtype).itemsize != data.nbytes:
            raise ValueError(f"{data.nbytes} bytes of weights for shape {shape}")
        constant = np.frombuffer(data.tobytes(), dtype).reshape(shape)
    elif math.prod(shape) == 0 and min(shape, default=1) >= 0 and kind in _TYPES:
        constant = np.zeros(shape, _TYPES[kind])
    return TensorInfo(
        name=(tensor.Name() or b"").decode(errors="replace"),
        shape=shape,
        signature=_numbers(tensor, "ShapeSignature") or shape,
        kind=kind,
        constant=constant,
        variable=bool(tensor.IsVariable()),
    )


def _operator(operator: Any, kinds: list[str], count: int) -> Operator:
    if not 0 <= operator.OpcodeIndex() < len(kinds):
        raise ValueError("an operator code that there is not")
    return Operator(
        kind=kinds[operator.OpcodeIndex()],
        inputs=_indices(operator, "Inputs", count),
        outputs=_indices(operator, "Outputs", count),
        options=operator,
    )


def _numbers(table: Any, field: str) -> tuple[int, ...]:
    length = getattr(table, f"{field}Length")()
    if length > _MOST_NUMBERS:
        raise ValueError(f"{length} numbers in {field}")
    read = getattr(table, field)
    return tuple(int(read(i)) for i in range(length))


def _indices(table: Any, field: str, count: int) -> tuple[int, ...]:
    """Return indices of tensors, -1 for one that is left out."""
    found = _numbers(table, field)
    if any(not -1 <= i < count for i in found):
        raise ValueError("a tensor that there is not")
    return found
