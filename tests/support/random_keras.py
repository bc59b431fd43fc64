"""Random Keras models of every layer that can be converted: chains, branches, merges, 1-D, 2-D."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

layers = keras.layers
Rng = np.random.Generator
_MAX_SIZE = 1500
ACTIVATIONS = (
    "linear", "relu", "relu6", "leaky_relu", "tanh", "sigmoid", "hard_sigmoid", "silu", "hard_tanh",
)  # fmt: skip


def _some(rng: Rng, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _conv_arguments(rng: Rng, dims: int) -> dict[str, Any]:
    stride, dilation = _some(rng, (1, 1), (1, 1), (2, 1), (1, 2), (3, 1))
    return {
        "kernel_size": tuple(int(v) for v in rng.integers(1, 4, dims)),
        "strides": stride,
        "dilation_rate": dilation,
        "padding": _some(rng, "same", "valid"),
        "use_bias": bool(rng.random() < 0.8),
        "activation": _some(rng, *ACTIVATIONS),
    }


def _spatial(rng: Rng, shape: tuple[int, ...]) -> Any:
    """Return a layer for (steps, channels) or (h, w, channels)."""
    dims = len(shape) - 1
    name = f"{dims}D"

    def of(stem: str) -> Any:
        return getattr(layers, stem + name)

    borders = rng.integers(0, 3, (dims, 2)).tolist()
    border = tuple(tuple(b) for b in borders) if dims == 2 else tuple(borders[0])
    match int(rng.integers(13)):
        case 0 | 1:
            arguments = _conv_arguments(rng, dims)
            if dims == 1 and rng.random() < 0.3:
                arguments["padding"] = "causal"
            return of("Conv")(int(rng.integers(1, 9)), **arguments)
        case 2:
            arguments = _conv_arguments(rng, dims)
            groups = _some(rng, *[g for g in range(1, shape[-1] + 1) if shape[-1] % g == 0])
            return of("Conv")(groups * int(rng.integers(1, 4)), groups=groups, **arguments)
        case 3:
            arguments = _conv_arguments(rng, dims)
            if dims == 2:  # TensorFlow's depthwise kernels are square in stride
                arguments["strides"] = int(arguments["strides"])
            return of("DepthwiseConv")(depth_multiplier=int(rng.integers(1, 3)), **arguments)
        case 4:
            arguments = _conv_arguments(rng, dims)
            return of("SeparableConv")(
                int(rng.integers(1, 7)), depth_multiplier=int(rng.integers(1, 3)), **arguments
            )
        case 5:
            arguments = _conv_arguments(rng, dims)
            arguments["dilation_rate"] = 1
            return getattr(layers, f"Conv{dims}DTranspose")(int(rng.integers(1, 6)), **arguments)
        case 6:
            return of(_some(rng, "MaxPooling", "AveragePooling"))(
                int(rng.integers(1, 4)),
                strides=_some(rng, None, 1, 2),
                padding=_some(rng, "same", "valid"),
            )
        case 7:
            return of("ZeroPadding")(border)
        case 8:
            return of("Cropping")(border)
        case 9:
            return of("UpSampling")(int(rng.integers(1, 3)))
        case 10:
            return of(_some(rng, "GlobalMaxPooling", "GlobalAveragePooling"))(
                keepdims=bool(rng.random() < 0.5)
            )
        case 11:
            return layers.Dense(int(rng.integers(1, 9)), activation=_some(rng, *ACTIVATIONS))
        case _:
            if dims == 2:
                return layers.Reshape((shape[0] * shape[1], shape[2]))
            return _recurrent(rng)


def _recurrent(rng: Rng) -> Any:
    arguments = {
        "units": int(rng.integers(1, 9)),
        "return_sequences": bool(rng.random() < 0.5),
        "go_backwards": bool(rng.random() < 0.3),
        "use_bias": bool(rng.random() < 0.8),
    }
    match int(rng.integers(5)):
        case 0:
            return layers.SimpleRNN(activation=_some(rng, "tanh", "sigmoid"), **arguments)
        case 1:
            return layers.GRU(reset_after=bool(rng.random() < 0.5), **arguments)
        case 2:
            return layers.LSTM(**arguments)
        case 3:
            cell = _some(rng, layers.LSTMCell, layers.GRUCell)(arguments["units"])
            return layers.RNN(cell, return_sequences=arguments["return_sequences"])
        case _:
            arguments["go_backwards"] = False
            inner = _some(rng, layers.GRU, layers.LSTM, layers.SimpleRNN)(**arguments)
            return layers.Bidirectional(inner, merge_mode=_some(rng, "concat", "sum", "mul", "ave"))


def _any_shape(rng: Rng) -> Any:
    match int(rng.integers(10)):
        case 0 | 1:
            return layers.BatchNormalization(
                scale=bool(rng.random() < 0.8), center=bool(rng.random() < 0.8)
            )
        case 2:
            return layers.Activation(_some(rng, *ACTIVATIONS))
        case 3:
            return layers.ReLU(
                max_value=_some(rng, None, 1.0, 4.0),
                negative_slope=_some(rng, 0.0, 0.25),
                threshold=_some(rng, 0.0, 0.125),
            )
        case 4:
            return layers.LeakyReLU(negative_slope=0.3)
        case 5:
            return layers.Dropout(0.5)
        case 6:
            return layers.Rescaling(_some(rng, 0.5, 1 / 3, 2.0), offset=_some(rng, 0.0, 0.25))
        case 7:
            return layers.Flatten()
        case 8:
            return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.2))
        case _:
            return layers.GaussianNoise(0.1)


def _branch(rng: Rng, x: Any, depth: int) -> Any:
    """Return a merge of branches that begin at x."""
    count = int(rng.integers(2, 4))
    ends = [_chain(rng, x, int(rng.integers(0, 3)), depth + 1) for _ in range(count)]
    same = [y for y in ends if y.shape == ends[0].shape]
    if len(same) < 2:
        same = [ends[0], x] if ends[0].shape == x.shape else [ends[0], layers.ReLU()(ends[0])]
    match int(rng.integers(6)):
        case 0 | 1:
            return layers.Add()(same)
        case 2:
            return layers.Subtract()(same[:2])
        case 3:
            return layers.Multiply()(same)
        case 4:
            return layers.Average()(same)
        case _:
            axis = int(rng.integers(1, len(same[0].shape)))
            return layers.Concatenate(axis=axis)(same)


def _gate(rng: Rng, x: Any) -> Any:
    """Return x times one factor a channel: squeeze and excitation."""
    pool = layers.GlobalAveragePooling2D if len(x.shape) == 4 else layers.GlobalAveragePooling1D
    factor = layers.Dense(x.shape[-1], activation="sigmoid")(pool(keepdims=True)(x))
    return layers.Multiply()([x, factor])


def _inner_model(rng: Rng, x: Any) -> Any:
    inside = keras.Input(x.shape[1:])
    y = _chain(rng, inside, 2, 2)
    return keras.Model(inside, y)(x) if y is not inside else x


def _step(rng: Rng, x: Any, depth: int) -> Any:
    shape = tuple(x.shape[1:])
    kind = rng.random()
    if depth < 2 and kind < 0.2:
        return _branch(rng, x, depth)
    if len(shape) > 1 and kind < 0.25:
        return _gate(rng, x)
    if depth < 1 and kind < 0.3:
        return _inner_model(rng, x)
    if kind < 0.5:
        return _any_shape(rng)(x)
    if len(shape) == 1:
        match int(rng.integers(4)):
            case 0 if shape[0] % 2 == 0:
                return layers.Reshape((shape[0] // 2, 2))(x)
            case _:
                return layers.Dense(
                    int(rng.integers(1, 12)),
                    activation=_some(rng, *ACTIVATIONS),
                    use_bias=bool(rng.random() < 0.8),
                )(x)
    return _spatial(rng, shape)(x)


def _chain(rng: Rng, x: Any, length: int, depth: int) -> Any:
    made, tries = 0, 0
    while made < length and tries < 4 * length + 4:
        tries += 1
        try:
            y = _step(rng, x, depth)
        except (ValueError, ZeroDivisionError, IndexError):  # the layer does not fit the shape
            continue
        if min(y.shape[1:]) < 1 or int(np.prod(y.shape[1:])) > _MAX_SIZE:
            continue
        x, made = y, made + 1
    return x


def random_keras(seed: int) -> Any:
    """Return a model with random weights; same seed, same model."""
    rng = np.random.default_rng(seed)
    keras.utils.clear_session()
    dims = int(rng.integers(3))
    shape = tuple(int(v) for v in rng.integers(2, 9, dims + 1))
    inputs = keras.Input(shape)
    x = _chain(rng, inputs, int(rng.integers(2, 8)), 0)
    if rng.random() < 0.4:
        x = layers.Flatten()(x)
        x = layers.Dense(int(rng.integers(2, 11)), activation=_some(rng, "linear", "softmax"))(x)
    if x is inputs:
        x = layers.ReLU()(x)
    model = keras.Model(inputs, x)
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if not isinstance(layer, keras.Model):
            randomise(rng, layer)
    return model


def randomise(rng: Rng, layer: Any) -> None:
    """Give a layer weights of which none is zero."""
    scale = rng.uniform(0.3, 1.5)
    for weight in layer._trainable_variables + layer._non_trainable_variables:
        shape, name = tuple(weight.shape), weight.name
        if "seed" in name or weight.dtype != "float32" or isinstance(layer, layers.PReLU):
            continue
        if "variance" in name or "gamma" in name:
            values = rng.uniform(0.4, 1.6, shape)
        else:
            fan = max(int(np.prod(shape[:-1])), 1)
            values = rng.normal(0, scale / np.sqrt(fan) if len(shape) > 1 else 0.3, shape)
        weight.assign(values)


def random_data(model: Any, seed: int, n: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed + 1)
    return rng.uniform(-1, 1, (n, *model.input_shape[1:])).astype(np.float32)


Maker = Callable[[int], Any]
