"""Keras files become float graphs here, and nowhere else is Keras or TensorFlow imported.

Chain models only. Everything that cannot be expressed is listed in one ModelError.
"""

import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    BatchNorm,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    GlobalPool,
    Input,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Softmax,
    UpSample,
    ZeroPadding,
)

__all__ = ["KerasModel", "read_keras"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_DROPPED = {
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "SpatialDropout1D",
    "SpatialDropout2D",
}


class _UnsupportedLayerError(Exception):
    """Why one layer cannot be expressed."""


class KerasModel:
    """A loaded Keras model: its float graph, and Keras' own answers."""

    def __init__(self, model: Any, graph: FloatGraph) -> None:
        self._model = model
        self.graph = graph

    def predict(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return Keras' outputs for x (n, *input shape), flattened to (n, outputs)."""
        y = np.asarray(self._model.predict(x, batch_size=128, verbose=0), dtype=np.float32)
        return cast(npt.NDArray[np.float32], y.reshape(len(x), -1))


def read_keras(path: Path) -> KerasModel:
    """Load a `.keras` or `.h5` file, in safe mode: code inside the file is never run.

    Raises ModelError when it is not a Keras file or holds what NNoM cannot express; the message
    then lists every such layer with its class and the reason.
    """
    _check_kind(path)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with _without_native_stderr():
        import keras

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]  # Keras is untyped
        """Keras 2 wrote a `groups` argument that Keras 3 no longer takes."""

        def __init__(self, *args: Any, groups: int = 1, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    try:
        model = keras.models.load_model(
            path,
            compile=False,
            safe_mode=True,
            custom_objects={"DepthwiseConv2D": DepthwiseConv2D},
        )
    except Exception as exc:  # Keras raises whatever its layers raise
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ModelError(
            f"{path}: Keras {keras.__version__} cannot load it: {reason}; "
            "save it again with model.save('name.keras')"
        ) from exc
    return KerasModel(model, _to_graph(model, path))


@contextmanager
def _without_native_stderr() -> Iterator[None]:
    """Keep what C++ code writes to file descriptor 2 off the terminal.

    TensorFlow prints notes about absent GPUs before its own log level applies; real errors arrive
    as exceptions.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _check_kind(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_HDF5_MAGIC))
    except OSError as exc:
        raise ModelError(f"{path}: cannot read the model: {exc.strerror}") from exc
    if head == _HDF5_MAGIC and path.suffix in {".h5", ".hdf5"}:
        return
    if head.startswith(b"PK") and path.suffix == ".keras":
        if zipfile.is_zipfile(path):
            return
        raise ModelError(f"{path}: damaged .keras archive; save or copy the model again")
    raise ModelError(
        f"{path}: not a Keras model: expected a .keras archive or a .h5 file (HDF5), "
        f"found a {path.suffix or 'nameless'} file starting with {head[:8]!r}"
    )


@dataclass(frozen=True)
class _Call:
    """One use of a layer: the layer, and the shapes it maps, with the batch axis."""

    layer: Any
    input: tuple[int | None, ...]
    output: tuple[int | None, ...]


def _to_graph(model: Any, path: Path) -> FloatGraph:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{path}: {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "one of each can be converted"
        )
    nodes: list[FloatNode] = []
    problems: list[str] = []
    for call in _calls(model, problems):
        layer, kind = call.layer, type(call.layer).__name__
        try:
            if kind == "InputLayer":
                nodes.append(_input_node(layer.name, call.output, path))
            elif kind not in _DROPPED:
                if kind not in _CONVERTERS:
                    raise _UnsupportedLayerError("NNoM has no such layer, or not here yet")
                for suffix, op in _CONVERTERS[kind](call):
                    name = _unique(layer.name + suffix, nodes)
                    nodes.append(FloatNode(name=name, op=op, inputs=(nodes[-1].name,)))
        except _UnsupportedLayerError as exc:
            problems.append(f"  {layer.name} ({kind}): {exc}")
    if problems:
        raise ModelError(f"{path}: cannot be converted:\n" + "\n".join(problems))
    _check_finite(nodes, path)
    return FloatGraph(name=path.stem, nodes=tuple(nodes))


def _calls(model: Any, problems: list[str]) -> list[_Call]:
    """Return the uses of layers from input to output; what is no chain goes to problems."""
    calls: list[_Call] = []
    tensor = model.outputs[0]
    seen: set[str] = set()
    while True:
        layer, index, _ = tensor._keras_history
        node = layer._inbound_nodes[index]
        kind = type(layer).__name__
        if layer.name in seen:
            problems.append(f"  {layer.name} ({kind}): it is used twice; give each use its own")
            break
        seen.add(layer.name)
        sources = node.input_tensors
        source = tuple(sources[0].shape) if sources else ()
        calls.append(_Call(layer, source, tuple(node.output_tensors[0].shape)))
        if not sources:
            break
        if len(sources) > 1:
            problems.append(f"  {layer.name} ({kind}): it joins branches; chains can be converted")
        tensor = sources[0]
    calls.reverse()
    on_path = [layer for layer in model.layers if layer.name not in seen]
    problems += [
        f"  {layer.name} ({type(layer).__name__}): it stands on a second branch"
        for layer in on_path
    ]
    return calls


def _input_node(name: str, shape: tuple[int | None, ...], path: Path) -> FloatNode:
    dims = shape[1:]
    if not 1 <= len(dims) <= 3 or any(d is None for d in dims):
        raise ModelError(f"{path}: input shape {shape}: one to three fixed axes are needed")
    return FloatNode(name=name, op=Input(shape=tuple(int(d) for d in dims if d is not None)))


def _unique(name: str, nodes: list[FloatNode]) -> str:
    taken = {node.name for node in nodes}
    result, n = name, 2
    while result in taken:
        result, n = f"{name}_{n}", n + 1
    return result


def _check_finite(nodes: list[FloatNode], path: Path) -> None:
    for node in nodes:
        for field in getattr(type(node.op), "__dataclass_fields__", {}):
            value = getattr(node.op, field)
            if isinstance(value, np.ndarray) and not np.isfinite(value).all():
                raise ModelError(f"{path}: layer {node.name}: {field} holds NaN or infinity")


# ---- one function per layer class; each yields (suffix of the name, operation) -----------------

_Ops = list[tuple[str, FloatOp]]


def _array(value: Any) -> npt.NDArray[np.float32]:
    return np.asarray(value, dtype=np.float32)


def _weights(layer: Any, channels: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    values = [_array(w) for w in layer.get_weights()]
    bias = values[1] if len(values) > 1 else np.zeros(channels, dtype=np.float32)
    return values[0], bias


def _activation(function: Any) -> _Ops:
    """Return what an `activation=` argument stands for, as a layer of its own."""
    name = getattr(function, "__name__", str(function))
    relu = ActivationKind.RELU
    known: Mapping[str, _Ops] = {
        "linear": [],
        "relu": [("_relu", Activation(kind=relu))],
        "relu6": [("_relu6", Activation(kind=ActivationKind.ADV_RELU, max_value=6.0))],
        "leaky_relu": [
            ("_leaky_relu", Activation(kind=ActivationKind.LEAKY_RELU, negative_slope=0.2))
        ],
        "tanh": [("_tanh", Activation(kind=ActivationKind.TANH))],
        "sigmoid": [("_sigmoid", Activation(kind=ActivationKind.SIGMOID))],
        "softmax": [("_softmax", Softmax())],
    }
    if name not in known:
        raise _UnsupportedLayerError(f"activation {name!r} has no NNoM equivalent")
    return known[name]


def _pair(value: Any) -> tuple[int, int]:
    values = tuple(int(v) for v in np.atleast_1d(value))
    return (1, values[0]) if len(values) == 1 else (values[0], values[1])


def _check_layout(layer: Any) -> None:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise _UnsupportedLayerError("data_format must be channels_last")
    if getattr(layer, "padding", "valid") not in set(Padding):
        raise _UnsupportedLayerError(f"padding {layer.padding!r} has no NNoM equivalent")


def _conv(call: _Call) -> _Ops:
    layer = call.layer
    _check_layout(layer)
    if getattr(layer, "groups", 1) != 1:
        raise _UnsupportedLayerError(f"groups={layer.groups}: only 1 can be converted")
    depthwise = "Depthwise" in type(layer).__name__
    kernel = layer.get_weights()[0]
    dims = kernel.ndim - 2
    channels = int(np.prod(kernel.shape[-2:])) if depthwise else kernel.shape[-1]
    kernel, bias = _weights(layer, channels)
    conv = Conv(
        kernel=kernel if dims == 2 else kernel[np.newaxis],
        bias=bias,
        stride=_pair(layer.strides),
        dilation=_pair(layer.dilation_rate),
        padding=Padding(layer.padding),
        depthwise=depthwise,
        dims=dims,
    )
    if max(conv.kernel.shape[:2] + conv.stride + conv.dilation) > 127:
        raise _UnsupportedLayerError("kernel, stride or dilation above 127")
    return [("", conv), *_activation(layer.activation)]


def _dense(call: _Call) -> _Ops:
    layer = call.layer
    if len(call.input) != 2:
        raise _UnsupportedLayerError(f"its input has shape {call.input[1:]}; put Flatten before it")
    kernel, bias = _weights(layer, layer.units)
    if max(kernel.shape) > 65535:
        raise _UnsupportedLayerError("more than 65535 inputs or units")
    return [("", Dense(kernel=kernel, bias=bias)), *_activation(layer.activation)]


def _batch_norm(call: _Call) -> _Ops:
    layer = call.layer
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, len(call.input) - 1):
        raise _UnsupportedLayerError(f"axis {layer.axis}: only the last axis can be converted")
    mean = _array(layer.moving_mean)
    scale = 1.0 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * _array(layer.gamma)
    offset = -mean * scale
    if layer.center:
        offset = offset + _array(layer.beta)
    return [("", BatchNorm(scale=_array(scale), offset=_array(offset)))]


def _relu(call: _Call) -> _Ops:
    layer = call.layer
    slope = float(np.asarray(layer.negative_slope))
    threshold = float(np.asarray(layer.threshold))
    max_value = None if layer.max_value is None else float(np.asarray(layer.max_value))
    if max_value is None and threshold == 0.0:
        kind = ActivationKind.LEAKY_RELU if slope else ActivationKind.RELU
    else:
        kind = ActivationKind.ADV_RELU
    if slope >= 1.0 or slope < 0.0:
        raise _UnsupportedLayerError(f"negative_slope {slope}: must lie in [0, 1)")
    op = Activation(kind=kind, negative_slope=slope, max_value=max_value, threshold=threshold)
    return [("", op)]


def _leaky_relu(call: _Call) -> _Ops:
    layer = call.layer
    slope = float(np.asarray(layer.negative_slope))
    if not 0.0 <= slope < 1.0:
        raise _UnsupportedLayerError(f"negative_slope {slope}: must lie in [0, 1)")
    return [("", Activation(kind=ActivationKind.LEAKY_RELU, negative_slope=slope))]


def _activation_layer(call: _Call) -> _Ops:
    return [("", op) for _, op in _activation(call.layer.activation)]


def _softmax(call: _Call) -> _Ops:
    layer = call.layer
    if layer.axis not in (-1, len(call.input) - 1):
        raise _UnsupportedLayerError(f"axis {layer.axis}: only the last axis can be converted")
    return [("", Softmax())]


def _pool(kind: PoolKind) -> Callable[[_Call], _Ops]:
    def convert(call: _Call) -> _Ops:
        layer = call.layer
        _check_layout(layer)
        dims = len(call.input) - 2
        op = Pool(
            kind=kind,
            size=_pair(layer.pool_size),
            stride=_pair(layer.strides),
            padding=Padding(layer.padding),
            dims=dims,
        )
        if max(op.size + op.stride) > 127:
            raise _UnsupportedLayerError("pool size or stride above 127")
        return [("", op)]

    return convert


def _global_pool(kind: PoolKind) -> Callable[[_Call], _Ops]:
    def convert(call: _Call) -> _Ops:
        layer = call.layer
        _check_layout(layer)
        if layer.keepdims:
            raise _UnsupportedLayerError("keepdims=True cannot be converted yet")
        return [("", GlobalPool(kind=kind))]

    return convert


def _border(value: Any) -> tuple[int, int, int, int]:
    values = [int(v) for v in np.ravel(value)]
    return (0, 0, values[0], values[1]) if len(values) == 2 else cast(Any, tuple(values))


def _reshape(call: _Call) -> _Ops:
    return [("", Reshape(shape=tuple(int(d) for d in call.output[1:] if d is not None)))]


_CONVERTERS: Mapping[str, Callable[[_Call], _Ops]] = {
    "Activation": _activation_layer,
    "AveragePooling1D": _pool(PoolKind.AVERAGE),
    "AveragePooling2D": _pool(PoolKind.AVERAGE),
    "BatchNormalization": _batch_norm,
    "Conv1D": _conv,
    "Conv2D": _conv,
    "Cropping1D": lambda call: [("", Cropping(border=_border(call.layer.cropping)))],
    "Cropping2D": lambda call: [("", Cropping(border=_border(call.layer.cropping)))],
    "Dense": _dense,
    "DepthwiseConv2D": _conv,
    "Flatten": lambda call: [("", Flatten())],
    "GlobalAveragePooling1D": _global_pool(PoolKind.AVERAGE),
    "GlobalAveragePooling2D": _global_pool(PoolKind.AVERAGE),
    "GlobalMaxPooling1D": _global_pool(PoolKind.MAX),
    "GlobalMaxPooling2D": _global_pool(PoolKind.MAX),
    "LeakyReLU": _leaky_relu,
    "MaxPooling1D": _pool(PoolKind.MAX),
    "MaxPooling2D": _pool(PoolKind.MAX),
    "ReLU": _relu,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "UpSampling2D": lambda call: [("", UpSample(factor=_pair(call.layer.size)))],
    "ZeroPadding1D": lambda call: [("", ZeroPadding(border=_border(call.layer.padding)))],
    "ZeroPadding2D": lambda call: [("", ZeroPadding(border=_border(call.layer.padding)))],
}
