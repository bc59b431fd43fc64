"""The formats that travel with a fine-tuned model, so that its conversion is the one trained for.

A .keras archive has one more member then, nnom_hil.json: the quantised graph without its weights,
which are those of the Keras model, on the grid of the formats (grid.py). It holds for the weights
that it was written with, whose hash it has. A file is somebody else's: each value is looked at.
"""

import json
import math
import types
import zipfile
from collections.abc import Container, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.files import digest
from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.graph import Conv, Dense, FloatGraph, Rnn
from nnom_hil.model.grid import Rescaled, biases_on_grid, weight_codes
from nnom_hil.model.keras_import.limits import MAX_JSON, check_archive, read_json
from nnom_hil.model.qgraph import (
    Int8,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOp,
    QOutput,
    QRnn,
)
from nnom_hil.model.quantise.quality import Quality, measure_quality
from nnom_hil.model.quantise.statistics import Change, observe
from nnom_hil.model.shapes import float_shapes
from nnom_hil.model.simplify import simplify

__all__ = ["MEMBER", "KeptFormats", "formats_member", "read_formats"]

MEMBER: Final = "nnom_hil.json"
_SCHEMA: Final = "nnom-hil/formats/1"
_MOST_NODES: Final = 4000
_MOST_VALUES: Final = 1 << 24  # between two layers, as everywhere
_MOST_BITS: Final = 64
_LARGEST: Final = 65535
_LARGEST_NUMBER: Final = 2.0**60
_LONGEST_NAME: Final = 1000
_FROM_KERAS: Final = {"weight", "recurrent"}  # fields whose values are the Keras model's
_LEAST: Final = {"stride": 1, "dilation": 1, "size": 1, "factor": 1, "shape": 1, "border": 0}
_NOTHING: Final = np.zeros(0, np.int8)
_OPS: Final[dict[str, type]] = {kind.__name__: kind for kind in get_args(QOp)}
_WRONG: Final = (ArithmeticError, AssertionError, AttributeError, IndexError, KeyError, TypeError,
    ValueError)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class KeptFormats:
    """A quantised graph that came with a model. changes: what it makes of each float node's values.

    options: how it was converted, as ConvertOptions has it. floats: the float graph, simplified.
    """

    graph: QGraph
    floats: FloatGraph
    changes: Mapping[str, Change]
    rescaled: Mapping[str, Rescaled]
    options: Mapping[str, Any]

    def quality(self, x: npt.NDArray[np.float32]) -> Quality:
        """Return how the layers follow the float ones on inputs x (n, *input shape)."""
        data = observe(self.floats, x)
        changes = {name: change for name, change in self.changes.items() if name in data.found}
        return measure_quality(self.floats, self.graph, data.changed(changes))


# ---- writing -------------------------------------------------------------------------------------


def formats_member(kept: KeptFormats, archive: Mapping[str, bytes]) -> bytes:
    """Return the member; archive: the others, as they are in the file."""
    document = {
        "schema": _SCHEMA,
        "for": _digest(archive),
        "options": dict(kept.options),
        "changes": {name: _pair(change) for name, change in kept.changes.items()},
        "rescaled": {
            name: [*_pair(r.before), *_pair(r.behind)] for name, r in kept.rescaled.items()
        },
        "nodes": [
            _encoded(node, _FROM_KERAS if node.name in kept.rescaled else set())
            for node in kept.graph.nodes
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _digest(archive: Mapping[str, bytes]) -> str:
    return digest(archive["config.json"], archive["model.weights.h5"])


def _pair(change: Change) -> list[Any]:
    return [_narrow(change.scale), _narrow(change.offset)]


def _narrow(value: Any) -> Any:
    """Return a list of numbers, or one where they are all the same."""
    values = np.ravel(np.asarray(value, np.float64))
    return float(values[0]) if (values == values[0]).all() else values.tolist()


def _encoded(node: QNode, elsewhere: Container[str]) -> dict[str, Any]:
    """Return a layer without the fields that the Keras model holds."""
    made = {"name": node.name, "inputs": list(node.inputs), "op": _fields(node.op, elsewhere)}
    if node.tail is not None:
        made["tail"] = _fields(node.tail)
    return made | ({"tail_name": node.tail_name} if node.tail_name else {})


def _fields(op: Any, elsewhere: Container[str] = ()) -> dict[str, Any]:
    made: dict[str, Any] = {"type": type(op).__name__}
    for field in fields(op):
        value = getattr(op, field.name)
        if field.name in elsewhere:
            continue
        if isinstance(value, np.ndarray):
            value = value.tolist()
        made[field.name] = value.value if isinstance(value, Enum) else value
    return made


# ---- reading -------------------------------------------------------------------------------------


def read_formats(path: Path, graph: FloatGraph) -> KeptFormats | str | None:
    """Return the formats that a model file brings, for the graph that it was read as.

    None where it brings none; a sentence where they are not for its weights. Raises ModelError for
    formats that are damaged or do not fit the model.
    """
    if path.suffix != ".keras" or not path.is_file() or not zipfile.is_zipfile(path):
        return None
    check_archive(path)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if MEMBER not in names:
            return None
        with archive.open(MEMBER) as file:
            text = file.read(MAX_JSON + 1)
        others = {name: archive.read(name) for name in ("config.json", "model.weights.h5")}
    shown = f"{path}: its formats ({MEMBER})"
    try:
        document = read_json(text, path)
        if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
            raise ValueError(f"expected schema {_SCHEMA}")
        if document["for"] != _digest(others):
            return "the formats in the file are not for its weights, which have changed since"
        raw_input = document["options"]["raw_input"] is True
        return _kept(document, simplify(graph, raw_input=raw_input))
    except ModelError as exc:
        raise ModelError(f"{shown} do not fit the model: {exc}; {_REMEDY}") from exc
    except _WRONG as exc:
        raise ModelError(
            f"{shown} are damaged: {type(exc).__name__}: {str(exc)[:200]}; {_REMEDY}"
        ) from exc


_REMEDY: Final = "fine-tune the model again, or save it again with Keras, which leaves them behind"


def _kept(document: dict[str, Any], graph: FloatGraph) -> KeptFormats:
    shapes, floats = float_shapes(graph), {node.name: node.op for node in graph.nodes}
    rescaled = {}
    for name, (scale, offset, out_scale, out_offset) in document["rescaled"].items():
        op = floats[name]
        if not isinstance(op, Conv | Dense | Rnn):
            raise ModelError(f"layer {name} has no weights")
        inputs = op.kernel.shape[2 if isinstance(op, Conv) else 0]
        outputs = op.units if isinstance(op, Rnn) else op.bias.size
        rescaled[name] = Rescaled(
            before=_change(scale, offset, inputs), behind=_change(out_scale, out_offset, outputs)
        )
    options = document["options"]
    if not all(isinstance(value, bool | str | int | float) for value in options.values()):
        raise ValueError("options that are no words or numbers")
    return KeptFormats(
        graph=_graph(document["nodes"], graph, rescaled),
        floats=graph,
        changes={
            name: _change(scale, offset, shapes[name][-1])
            for name, (scale, offset) in document["changes"].items()
        },
        rescaled=rescaled,
        options=options,
    )


def _change(scale: Any, offset: Any, channels: int) -> Change:
    values = _numbers(scale, channels)
    if not np.all(values):
        raise ValueError("a scale of 0")
    return Change(scale=values, offset=_numbers(offset, channels))


def _numbers(value: Any, channels: int) -> Any:
    """Return a number, or one a channel; of data that is flattened, channels repeat."""
    if not isinstance(value, list):
        return _number(value)
    if not value or channels % len(value):
        raise ValueError(f"{len(value)} numbers for {channels} channels")
    return np.array([_number(number) for number in value], np.float64)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{str(value)[:40]!r} where a number is expected")
    if not math.isfinite(value) or abs(value) > _LARGEST_NUMBER:
        raise ValueError(f"the number {value:g}")
    return float(value)


def _whole_number(value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{str(value)[:40]!r} where a whole number is expected")
    if not least <= value <= _LARGEST:
        raise ValueError(f"the number {value:.4g}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise ValueError("a name that is none")
    return value


def _graph(nodes: Any, graph: FloatGraph, rescaled: Mapping[str, Rescaled]) -> QGraph:
    """Return the quantised graph with the float graph's weights."""
    if not isinstance(nodes, list) or not 2 <= len(nodes) <= _MOST_NODES:
        raise ValueError("no list of layers")
    floats = {node.name: node.op for node in graph.nodes}
    rows: list[Any] = []
    for entry in nodes:
        name, inputs = _text(entry["name"]), tuple(_text(source) for source in entry["inputs"])
        op = _decoded(_OPS[entry["op"]["type"]], entry["op"])
        if isinstance(op, QInput) != (not rows) or isinstance(op, QInput) != (not inputs):
            raise ModelError(f"layer {name} reads {len(inputs)} others")
        if isinstance(op, QConv | QDense | QRnn):
            op = _with_weights(name, op, floats.get(name), rescaled.get(name))
        tail = _decoded(QActivation, entry["tail"]) if "tail" in entry else None
        rows.append((name, op, inputs, tail, _text(entry.get("tail_name", ""))))
    if len({row[0] for row in rows}) != len(rows):
        raise ModelError("two layers of one name")
    made = make_qgraph(graph.name, rows)
    for node in made.nodes:
        if math.prod(node.shape) > _MOST_VALUES or abs(node.dec) > _MOST_BITS:
            raise ModelError(f"layer {node.name}: {node.shape} values of {node.dec} fraction bits")
    _check_ends(made, graph)
    return made


def _check_ends(made: QGraph, graph: FloatGraph) -> None:
    first = made.input.op
    assert isinstance(first, QInput)
    sizes = {1, first.shape[-1], math.prod(first.shape)}
    if first.shape != graph.input.shape or not {len(first.centre), len(first.scale)} <= sizes:
        raise ModelError("its input is another one")
    size = math.prod(float_shapes(graph)[graph.nodes[-1].name])
    if not isinstance(made.output.op, QOutput) or made.output.size != size:
        raise ModelError("its output is another one")


def _with_weights(
    name: str, op: QConv | QDense | QRnn, exact: Any, change: Rescaled | None
) -> QConv | QDense | QRnn:
    """Return the layer with its weights: the float layer's, or those that the file tells."""
    if change is not None:
        if not _same_layer(op, exact):
            raise ModelError(f"layer {name} is another one")
        if not isinstance(op, QRnn):
            _check_formats(name, op, exact.bias.size)
        codes: dict[str, Any] = weight_codes(name, exact, op, change)
        op = replace(op, **codes)
        if not biases_on_grid(exact, op, change):
            raise ModelError(f"layer {name}: its bias is not on the grid of its formats")
    elif not isinstance(op, QConv) or op.weight.ndim != 4 or op.bias is None:
        raise ModelError(f"layer {name}: no layer of the model has its weights")
    else:
        _check_formats(name, op, op.channels_out)
    return op


def _check_formats(name: str, op: QConv | QDense, channels: int) -> None:
    lengths = {len(v) for v in (op.weight_dec, op.bias_dec, op.output_shift, op.bias_shift)}
    if len(lengths) != 1 or not lengths <= {1, channels} or op.bias is None:
        raise ModelError(f"layer {name}: formats for {lengths} of {channels} channels")
    if op.bias.shape != (channels,):
        raise ModelError(f"layer {name}: {op.bias.size} biases for {channels} channels")


def _same_layer(op: QConv | QDense | QRnn, exact: Any) -> bool:
    """Whether a quantised layer is of the float layer's kind and geometry."""
    twins = {QConv: Conv, QDense: Dense, QRnn: Rnn}
    if not isinstance(exact, twins[type(op)]):
        return False
    same = ("stride", "dilation", "padding", "depthwise", "transposed", "kind", "activation",
        "return_sequence", "stateful", "go_backwards")  # fmt: skip
    return all(getattr(op, f) == getattr(exact, f) for f in same if hasattr(op, f))


def _decoded(kind: type, document: dict[str, Any]) -> Any:
    """Return an operation whose every field has a value of its type."""
    known = {field.name for field in fields(kind)}
    given = set(document) - {"type"}
    if given - known or known - given - _FROM_KERAS:
        raise ValueError(f"{kind.__name__} with {', '.join(sorted(given ^ known))[:100]}")
    hints = get_type_hints(kind)
    made = {key: _value(hints[key], document[key], _LEAST.get(key, -_LARGEST)) for key in given}
    return kind(**dict.fromkeys(known & _FROM_KERAS, _NOTHING) | made)


def _value(hint: Any, value: Any, least: int) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _value(next(part for part in inner if part is not type(None)), value, least)
    if origin is tuple:
        if not isinstance(value, list) or (inner[-1] is not ... and len(value) != len(inner)):
            raise ValueError("a list of another length")
        return tuple(_value(inner[0], part, least) for part in value)
    if origin is np.ndarray:
        return _codes(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is bool:
        if not isinstance(value, bool):
            raise ValueError("yes or no expected")
        return value
    reads = {int: lambda v: _whole_number(v, least), float: _number, str: _text}
    return reads[hint](value)


def _codes(value: Any) -> Int8:
    array = np.array(value)  # ragged ones raise ValueError
    if array.dtype.kind != "i" or array.size == 0 or array.min() < -128 or array.max() > 127:
        raise ValueError("weights that are no int8")
    return array.astype(np.int8)
