"""A float graph becomes a Keras model, one layer a node under the node's name.

What simplify() leaves is taken: no scales and offsets but the input's. Reading the file again gives
the same layers with weights, by name.
"""

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Final, assert_never

import numpy as np

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    CellKind,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    GlobalPool,
    Input,
    MergeKind,
    Pool,
    PoolKind,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
    unused_name,
)
from nnom_hil.model.shapes import float_shapes
from nnom_hil.temporary import private_folder

__all__ = ["keras_members", "keras_names", "packed", "renamed"]

_MEMBERS: Final = ("metadata.json", "config.json", "model.weights.h5")
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)  # the same bytes every time
_MERGE_MODES: Final = {
    (MergeKind.ADD, 0): "sum",
    (MergeKind.ADD, 1): "ave",
    (MergeKind.MULT, 0): "mul",
}  # by what it does and how often it halves
_CELLS: Final = {CellKind.SIMPLE: "SimpleRNN", CellKind.GRU: "GRU", CellKind.LSTM: "LSTM"}


def keras_names(graph: FloatGraph) -> dict[str, str]:
    """Return each node's name in the Keras model: its own, unless Keras does not take it.

    The halves of a bidirectional layer are called after what merges them, as the import has it.
    """
    names: dict[str, str] = {}
    for node in graph.nodes:
        name = re.sub(r"[^\w.-]", "_", node.name) or "layer"
        names[node.name] = unused_name(name, set(names.values()))
    for merged, (forward, backward) in _bidirectional(graph).items():
        names[forward] = f"{names[merged]}_forward"
        names[backward] = f"{names[merged]}_backward"
    return names


def renamed(graph: FloatGraph) -> FloatGraph:
    """Return the graph with the names that its layers have in Keras."""
    names = keras_names(graph)
    nodes = tuple(
        replace(node, name=names[node.name], inputs=tuple(names[i] for i in node.inputs))
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def keras_members(graph: FloatGraph) -> dict[str, bytes]:
    """Return the members of the graph's .keras archive.

    Names must be those of keras_names(). Raises ModelError for what Keras has no layer for.
    """
    model = _Builder(graph).model()
    with private_folder() as folder:
        file = folder / "model.keras"
        model.save(file)
        with zipfile.ZipFile(file) as archive:
            members = {name: archive.read(name) for name in _MEMBERS}
    metadata = json.loads(members["metadata.json"])
    metadata.pop("date_saved", None)
    return {**members, "metadata.json": json.dumps(metadata).encode()}


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return a .keras archive of these members, the same bytes for the same ones."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    return buffer.getvalue()


def _bidirectional(graph: FloatGraph) -> dict[str, tuple[str, str]]:
    """Return the merges of a forward and a backward cell in time order, with the two.

    Keras has outputs of a backward layer at their own times inside Bidirectional only.
    """
    by_name = {node.name: node for node in graph.nodes}
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    found = {}
    for node in graph.nodes:
        if not isinstance(node.op, Concatenate | Combine) or len(node.inputs) != 2:
            continue
        first, second = (by_name[name] for name in node.inputs)
        if (
            isinstance(first.op, Rnn)
            and isinstance(second.op, Rnn)
            and not first.op.go_backwards
            and _in_time_order(second.op)
            and first.inputs == second.inputs
            and readers[first.name] == readers[second.name] == 1
        ):
            found[node.name] = (first.name, second.name)
    return found


def _in_time_order(op: Rnn) -> bool:
    return op.go_backwards and op.time_order and op.return_sequence


@dataclass
class _Builder:
    """One model in the making."""

    graph: FloatGraph

    def __post_init__(self) -> None:
        self._shapes = float_shapes(self.graph)
        self._nodes = {node.name: node for node in self.graph.nodes}
        self._names = set(self._nodes)
        self._pairs = _bidirectional(self.graph)
        self._halves = {half for pair in self._pairs.values() for half in pair}
        self._weights: list[tuple[Any, list[Any]]] = []

    def model(self) -> Any:
        """Return the Keras model with its weights."""
        import keras

        tensors: dict[str, Any] = {}
        inputs = None
        for node in self.graph.nodes:
            if node.name in self._halves:
                continue
            try:
                if isinstance(node.op, Input):
                    inputs = keras.Input(node.op.shape, name=node.name)
                    tensors[node.name] = self._placed(node.op, inputs)
                elif node.name in self._pairs:
                    source = self._nodes[self._pairs[node.name][0]].inputs[0]
                    tensors[node.name] = self._both_ways(node, tensors[source])
                else:
                    sources = [tensors[name] for name in node.inputs]
                    tensors[node.name] = self._layer(node, sources)
            except (ValueError, TypeError, NotImplementedError) as exc:
                said = str(exc).splitlines()[0]
                raise ModelError(f"layer {node.name}: cannot be written for Keras: {said}") from exc
        model = keras.Model(inputs, tensors[self.graph.nodes[-1].name], name="fine_tuned")
        for layer, weights in self._weights:
            layer.set_weights(weights)
        return model

    def _name(self, name: str) -> str:
        unused = unused_name(name, self._names)
        self._names.add(unused)
        return unused

    def _reshaped(self, x: Any, shape: tuple[int, ...], name: str) -> Any:
        from keras import layers

        if tuple(x.shape[1:]) == tuple(shape):
            return x
        return layers.Reshape(shape, name=self._name(f"{name}_shape"))(x)

    def _placed(self, op: Input, x: Any) -> Any:
        """Return the input scaled and shifted as the network takes it."""
        from keras import layers

        if op.scale is None or op.offset is None:
            return x
        scale, offset = np.broadcast_arrays(op.scale, op.offset)
        flat = scale.size not in (1, op.shape[-1])
        y = self._reshaped(x, (int(np.prod(op.shape)),), "input") if flat else x
        parts = [value.astype(np.float32).ravel().tolist() for value in (scale, offset)]
        one = scale.size == 1
        rescaling = layers.Rescaling(
            parts[0][0] if one else parts[0],
            parts[1][0] if one else parts[1],
            name=self._name("input_scale"),
        )
        return self._reshaped(rescaling(y), op.shape, "input")

    def _layer(self, node: FloatNode, sources: list[Any]) -> Any:
        from keras import layers

        x, name = sources[0], node.name
        match node.op:
            case Conv() | Pool() | ZeroPadding() | Cropping() | UpSample() | GlobalPool() as op:
                return self._spatial(name, op, x)
            case Dense() as op:
                flat = self._reshaped(x, (op.kernel.shape[0],), name)
                return self._weighted(layers.Dense(op.bias.size, name=name), flat, op)
            case Activation() as op:
                return self._activation(name, op, x)
            case Reshape() as op:
                return layers.Reshape(op.shape, name=name)(x)
            case Flatten():
                return layers.Flatten(name=name)(x)
            case Softmax():
                return layers.Softmax(name=name)(x)
            case Concatenate() as op:
                return layers.Concatenate(axis=op.axis, name=name)(sources)
            case Combine() as op:
                return self._combined(name, op, sources)
            case Requantise():
                return layers.Activation("linear", name=name)(x)
            case Rnn() as op:
                if _in_time_order(op):
                    raise ModelError(
                        f"layer {name}: a backward layer whose outputs stand at their own times "
                        "cannot be written for Keras outside of Bidirectional"
                    )
                steps = self._reshaped(x, tuple(x.shape[1:])[-2:], name)
                return self._weighted(self._cell(op, name), steps, op)
            case Input() | Affine():
                raise AssertionError(f"{name}: model() has inputs, simplify() leaves no affine")
            case never:
                assert_never(never)

    def _weighted(self, layer: Any, x: Any, op: Conv | Dense | Rnn) -> Any:
        """Apply a layer and keep what its weights are."""
        y = layer(x)
        weights: list[Any] = [op.kernel]
        if isinstance(op, Rnn):
            weights += [op.recurrent]
        weights += [] if op.bias is None else [op.bias]
        if isinstance(op, Conv):
            # Keras has a transposed kernel's channels the other way round
            kernel = np.swapaxes(op.kernel, -1, -2) if op.transposed else op.kernel
            weights[0] = kernel.reshape(layer.get_weights()[0].shape)
        self._weights.append((layer, weights))
        return y

    def _spatial(
        self,
        name: str,
        op: Conv | Pool | ZeroPadding | Cropping | UpSample | GlobalPool,
        x: Any,
    ) -> Any:
        """Apply a layer of images, or of sequences to what has two axes."""
        shape = self._shapes[name]
        if len(x.shape) == 2:
            x = self._reshaped(x, (1, 1, x.shape[-1]), name)
        dims = len(x.shape) - 2
        layer = _SPATIAL[type(op)](op, name, dims)
        y = self._weighted(layer, x, op) if isinstance(op, Conv) else layer(x)
        return self._reshaped(y, shape, name)

    def _activation(self, name: str, op: Activation, x: Any) -> Any:
        from keras import layers

        match op.kind:
            case ActivationKind.RELU:
                return layers.ReLU(name=name)(x)
            case ActivationKind.LEAKY_RELU:
                return layers.LeakyReLU(negative_slope=op.negative_slope, name=name)(x)
            case ActivationKind.ADV_RELU:
                layer = layers.ReLU(op.max_value, op.negative_slope, op.threshold, name=name)
                return layer(x)
            case ActivationKind.HARD_SIGMOID:
                # Keras 3 has x / 6 + 0.5, NNoM 0.2 x + 0.5
                wide = layers.Rescaling(1.2, name=self._name(f"{name}_scale"))(x)
                return layers.Activation("hard_sigmoid", name=name)(wide)
            case ActivationKind.TANH | ActivationKind.SIGMOID | ActivationKind.HARD_TANH:
                return layers.Activation(op.kind.value, name=name)(x)
            case never:
                assert_never(never)

    def _combined(self, name: str, op: Combine, sources: list[Any]) -> Any:
        from keras import layers

        kinds = {MergeKind.ADD: "Add", MergeKind.SUB: "Subtract", MergeKind.MULT: "Multiply"}
        if not op.halvings:
            return getattr(layers, kinds[op.kind])(name=name)(sources)
        total = getattr(layers, kinds[op.kind])(name=name)(sources)
        return layers.Rescaling(0.5**op.halvings, name=self._name(f"{name}_mean"))(total)

    def _cell(self, op: Rnn, name: str) -> Any:
        from keras import layers

        more: dict[str, Any] = {}
        if op.kind is CellKind.SIMPLE:
            more["activation"] = op.activation.value
        if op.kind is CellKind.GRU:
            more["reset_after"] = (op.bias is None and op.reset_after) or (
                op.bias is not None and op.bias.ndim == 2
            )
        return getattr(layers, _CELLS[op.kind])(
            op.units,
            use_bias=op.bias is not None,
            return_sequences=op.return_sequence,
            go_backwards=op.go_backwards,
            name=name,
            **more,
        )

    def _both_ways(self, merged: FloatNode, x: Any) -> Any:
        from keras import layers

        halves = []
        for name in self._pairs[merged.name]:
            op = self._nodes[name].op
            assert isinstance(op, Rnn)
            halves.append(op)
        if isinstance(merged.op, Combine):
            mode = _MERGE_MODES.get((merged.op.kind, merged.op.halvings), "")
        else:
            mode = "concat"
        forward, backward = (
            self._cell(op, f"{merged.name}_{way}")
            for op, way in zip(halves, ("forward", "backward"), strict=True)
        )
        layer = layers.Bidirectional(
            forward, backward_layer=backward, merge_mode=mode, name=merged.name
        )
        y = layer(x)
        weights = [
            array
            for op in halves
            for array in (op.kernel, op.recurrent, op.bias)
            if array is not None
        ]
        self._weights.append((layer, weights))
        return y


# ---- layers of images and sequences --------------------------------------------------------------


def _of(stem: str, dims: int) -> Any:
    from keras import layers

    return getattr(layers, f"{stem}{dims}D")


def _sizes(pair: tuple[int, int], dims: int) -> Any:
    return pair if dims == 2 else pair[1]


def _conv(op: Any, name: str, dims: int) -> Any:
    from keras import layers

    arguments = {
        "kernel_size": _sizes(op.kernel.shape[:2], dims),
        "strides": _sizes(op.stride, dims),
        "dilation_rate": _sizes(op.dilation, dims),
        "padding": op.padding.value,
        "name": name,
    }
    if op.transposed:
        return getattr(layers, f"Conv{dims}DTranspose")(op.channels_out, **arguments)
    if not op.depthwise:
        return _of("Conv", dims)(op.channels_out, **arguments)
    inputs, multiplier = op.kernel.shape[2:]
    if op.stride[0] == op.stride[1] or dims == 1:
        return _of("DepthwiseConv", dims)(depth_multiplier=multiplier, **arguments)
    # TensorFlow's depthwise kernels are square in stride
    return _of("Conv", dims)(op.channels_out, groups=inputs, **arguments)


def _pool(op: Any, name: str, dims: int) -> Any:
    stem = "MaxPooling" if op.kind is PoolKind.MAX else "AveragePooling"
    size, stride = _sizes(op.size, dims), _sizes(op.stride, dims)
    return _of(stem, dims)(size, strides=stride, padding=op.padding.value, name=name)


def _global_pool(op: Any, name: str, dims: int) -> Any:
    stem = "GlobalMaxPooling" if op.kind is PoolKind.MAX else "GlobalAveragePooling"
    return _of(stem, dims)(name=name)


def _border(border: tuple[int, int, int, int], dims: int) -> Any:
    top, bottom, left, right = border
    return ((top, bottom), (left, right)) if dims == 2 else (left, right)


_SPATIAL: dict[type, Callable[[Any, str, int], Any]] = {
    Conv: _conv,
    Pool: _pool,
    GlobalPool: _global_pool,
    ZeroPadding: lambda op, name, dims: _of("ZeroPadding", dims)(
        _border(op.border, dims), name=name
    ),
    Cropping: lambda op, name, dims: _of("Cropping", dims)(_border(op.border, dims), name=name),
    UpSample: lambda op, name, dims: _of("UpSampling", dims)(_sizes(op.factor, dims), name=name),
}
