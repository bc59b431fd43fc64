"""A SavedModel folder that Keras 2 wrote, read as data: a configuration, and arrays by layer.

TensorFlow parses the messages and reads the checkpoint; none of its objects is restored and none of
its functions is taken up.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.keras_import.cudnn import plain_weights
from nnom_hil.model.keras_import.limits import files_of, read_json
from nnom_hil.model.translation.limits import check_file

__all__ = ["SavedModel", "assign", "read_saved_model"]

Config = dict[str, Any]

_AGAIN: Final = "save the model again with model.save('name.keras')"
_GRAPH: Final = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE: Final = "VARIABLE_VALUE"
_LAYERS: Final = ("layer-", "layer_with_weights-")
_HELD: Final = {"backward_layer", "cell", "cells", "forward_layer", "layer"}
_RENAMED: Final = {"depthwise_kernel": "kernel"}
_MAX_MESSAGE: Final = 256 << 20
_MOST_OBJECTS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A layer, cell or model in the checkpoint: its arrays by name, and what it holds by name."""

    arrays: Mapping[str, npt.NDArray[Any]]
    held: Mapping[str, "Part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """config: as model.get_config() gave it, in its entry. version: of Keras. size: of all arrays,
    in bytes.
    """

    config: Config
    version: str
    weights: Part
    size: int


def read_saved_model(path: Path) -> SavedModel:
    """Read a folder. Raises ModelError where it holds no layers, or what they hold is missing."""
    metadata = _metadata(path)
    if (root := metadata.get("root")) is None:
        raise ModelError(
            f"{path}: this SavedModel holds functions but no Keras layers (it was exported); "
            "save the model itself with model.save('name.keras')"
        )
    config = root.get("model_config") or {k: root.get(k) for k in ("class_name", "config")}
    names = {place: str(entry.get("name")) for place, entry in metadata.items()}
    weights, size = _weights(path, names)
    return SavedModel(
        config=_plain(config),
        version=str(root.get("keras_version", "")),
        weights=weights,
        size=size,
    )


def _plain(value: Any) -> Any:
    """Return a configuration whose tuples and shapes, which are marked in it, are lists."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in {"__tuple__", "TensorShape"} and "items" in value:
        return _plain(value["items"])
    return {key: _plain(part) for key, part in value.items()}


# ---- what is said of the layers ------------------------------------------------------------------


def _metadata(path: Path) -> dict[str, Config]:
    """Return what Keras 2 noted of each layer, by its place: root, root.layer-0, ..."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as Graph

    separate = path / "keras_metadata.pb"  # since TensorFlow 2.5
    if separate.is_file():
        message = _layers_message()()
        _parse(message, separate)
        return _entries(path, ((node.node_path, node.metadata) for node in message.nodes))
    graph = Graph()
    _parse(graph, path / "saved_model.pb")
    nodes = graph.meta_graphs[0].object_graph_def.nodes if graph.meta_graphs else []
    placed = _places(nodes)
    found = ((placed[i], node.user_object) for i, node in enumerate(nodes) if i in placed)
    return _entries(
        path, ((p, o.metadata) for p, o in found if o.identifier.startswith("_tf_keras_"))
    )


def _entries(path: Path, nodes: Iterator[tuple[str, str]]) -> dict[str, Config]:
    read = ((place, read_json(text, path)) for place, text in nodes)
    return {place: entry for place, entry in read if isinstance(entry, dict)}


def _parse(message: Any, file: Path) -> None:
    from google.protobuf.message import DecodeError

    check_file(file, _MAX_MESSAGE)
    try:
        message.ParseFromString(file.read_bytes())
    except DecodeError as exc:
        raise ModelError(f"{file}: damaged: {exc}; {_AGAIN}") from exc


@cache
def _layers_message() -> Any:
    """Return the class of keras_metadata.pb's message; Keras 2 has it, but runs to import it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="nnom_hil/layers.proto", package="nnom_hil")
    fields = descriptor_pb2.FieldDescriptorProto
    node = file.message_type.add(name="Node")
    for name, number, kind in (
        ("node_id", 2, fields.TYPE_INT32),
        ("node_path", 3, fields.TYPE_STRING),
        ("identifier", 4, fields.TYPE_STRING),
        ("metadata", 5, fields.TYPE_STRING),
    ):
        node.field.add(name=name, number=number, type=kind, label=fields.LABEL_OPTIONAL)
    layers = file.message_type.add(name="Layers")
    layers.field.add(
        name="nodes", number=1, type=fields.TYPE_MESSAGE, label=fields.LABEL_REPEATED,
        type_name=".nnom_hil.Node",
    )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("nnom_hil.Layers")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(found)
    return message_factory.MessageFactory(pool).GetPrototype(found)  # protobuf before 4.22


def _places(nodes: Sequence[Any]) -> dict[int, str]:
    """Return the place of every object that is reached from the root, by its number."""
    places, pending = {0: "root"} if nodes else {}, [0] if nodes else []
    while pending:
        number = pending.pop()
        for child in nodes[number].children:
            if child.local_name.startswith(_LAYERS) and child.node_id not in places:
                places[child.node_id] = f"{places[number]}.{child.local_name}"
                pending.append(child.node_id)
    return places


# ---- weights -------------------------------------------------------------------------------------


def _weights(path: Path, names: Mapping[str, str]) -> tuple[Part, int]:
    """Return the arrays of the checkpoint beside the graph, and their bytes."""
    import tensorflow as tf
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    folder = path / "variables"
    parts = sorted(folder.glob("variables.data-*")) if folder.is_dir() else []
    if not parts or not (folder / "variables.index").is_file() or (folder / "variables").exists():
        raise ModelError(f"{folder}: the weights are missing: no variables.index with its data")
    stored = sum(file.stat().st_size for file in files_of(path))
    reader = tf.train.load_checkpoint(str(folder / "variables"))
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    if shapes.get(_GRAPH) != []:
        raise ModelError(f"{folder}: damaged: it does not tell whose the weights are; {_AGAIN}")
    graph = TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(_GRAPH))
    if len(graph.nodes) > _MOST_OBJECTS or not graph.nodes:
        raise ModelError(f"{folder}: damaged: {len(graph.nodes)} objects; {_AGAIN}")
    sizes = {
        key: math.prod(shape) * types[key].size
        for key, shape in shapes.items()
        if types[key].is_floating or types[key].is_integer or types[key].is_bool
    }
    if sum(sizes.values()) > stored:  # they are stored as they are
        raise ModelError(f"{folder}: damaged: larger arrays than the files hold; {_AGAIN}")
    arrays = {key: reader.get_tensor(key) for key in sizes}
    return _Parts(graph.nodes, arrays, names).at(0, "root"), sum(sizes.values())


class _Parts:
    """Builds parts from the checkpoint's objects."""

    def __init__(
        self, nodes: Sequence[Any], arrays: Mapping[str, Any], names: Mapping[str, str]
    ) -> None:
        self._nodes, self._arrays, self._names = nodes, arrays, names
        self._left = _MOST_OBJECTS

    def at(self, number: int, place: str, depth: int = 0) -> Part:
        """Return an object and what it holds: layers by their names, all else by its own."""
        arrays: dict[str, Any] = {}
        held: dict[str, Part] = {}
        for child in self._nodes[number].children if depth < 100 else ():
            self._left -= 1
            name, node = child.local_name, child.node_id
            keys = [a.checkpoint_key for a in self._nodes[node].attributes if a.name == _VALUE]
            if keys and keys[0] in self._arrays:
                arrays[name] = self._arrays[keys[0]]
            elif self._left > 0 and (name in _HELD or name.isdecimal()):
                held[name] = self.at(node, f"{place}.{name}", depth + 1)
            elif self._left > 0 and name.startswith(_LAYERS):
                inner = f"{place}.{name}"
                if inner in self._names:
                    held[self._names[inner]] = self.at(node, inner, depth + 1)
        return Part(arrays=arrays, held=held)


def assign(model: Any, saved: SavedModel, shown: Path) -> None:
    """Give a Keras 3 model its weights; raises ModelError unless each has one of its shape."""
    given: set[int] = set()
    _assign(model, saved.weights, given, shown)
    missing = [w.path for w in model.weights if id(w) not in given]
    if missing:
        raise ModelError(f"{shown}: damaged: no values for the weights {missing[0]}; {_AGAIN}")


def _assign(layer: Any, part: Part, given: set[int], shown: Path) -> None:
    if hasattr(layer, "layers"):
        for inner in layer.layers:
            if inner.weights and inner.name in part.held:
                _assign(inner, part.held[inner.name], given, shown)
        return
    for name, inner in part.held.items():
        target = layer[int(name)] if isinstance(layer, list | tuple) else getattr(layer, name, None)
        if target is not None:
            _assign(target, inner, given, shown)
    for name, array in _plain_arrays(part.arrays).items():
        variable = _variable(layer, name)
        if variable is None:  # of training or of nothing that Keras 3 has
            continue
        if tuple(variable.shape) != tuple(np.shape(array)):
            raise ModelError(
                f"{shown}: damaged: {variable.path} has shape {tuple(variable.shape)}, its values "
                f"have {np.shape(array)}; {_AGAIN}"
            )
        variable.assign(array)
        given.add(id(variable))
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()


def _variable(layer: Any, name: str) -> Any:
    places = (
        (layer, name),
        (layer, _RENAMED.get(name, name)),
        (getattr(layer, "cell", None), name),
    )
    found = (getattr(owner, attribute, None) for owner, attribute in places)
    return next((variable for variable in found if hasattr(variable, "assign")), None)


def _plain_arrays(arrays: Mapping[str, Any]) -> Mapping[str, Any]:
    names = [name for name in ("kernel", "recurrent_kernel", "bias") if name in arrays]
    held = plain_weights([arrays[name] for name in names])
    return {**arrays, **dict(zip(names, held, strict=True))}
