"""Every layer that can be converted, written for both Keras 2 and 3: name, input, layers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["CASES", "SHAPES", "build", "joined"]

Shape = tuple[int, ...]
Make = Callable[[Any], list[Any]]

IMAGE: Shape = (6, 5, 4)
STEPS: Shape = (7, 4)
VECTOR: Shape = (6,)
ROW: Shape = (1, 5, 4)
SHAPES = (IMAGE, STEPS, VECTOR, ROW)

_RECURRENT = ("GRU", "LSTM", "SimpleRNN")
_ACTIVATIONS = ("hard_sigmoid", "linear", "relu", "sigmoid", "softmax", "swish", "tanh")


def _of(name: str, *arguments: Any, **options: Any) -> Make:
    return lambda layers: [getattr(layers, name)(*arguments, **options)]


def _then(after: Make, name: str, *arguments: Any) -> Make:
    return lambda layers: [getattr(layers, name)(*arguments), *after(layers)]


def _around(name: str, inner: Make) -> Make:
    return lambda layers: [getattr(layers, name)(inner(layers)[0])]


def _merged(name: str) -> Callable[[Any, Any], Any]:
    return lambda layers, x: getattr(layers, name)()([x, layers.Dense(4)(x)])


def _spatial(dims: int) -> Iterator[tuple[str, Shape, Make]]:
    shape = STEPS if dims == 1 else IMAGE
    for name, make in {
        "AveragePooling": _of(f"AveragePooling{dims}D", 2, padding="same"),
        "Conv": _of(f"Conv{dims}D", 3, 3, padding="same", activation="relu"),
        "Conv dilated": _of(f"Conv{dims}D", 3, 2, dilation_rate=2, use_bias=False),
        "Conv grouped": _of(f"Conv{dims}D", 4, 3, groups=2, strides=2),
        "ConvTranspose": _of(f"Conv{dims}DTranspose", 3, 3, strides=2, padding="same"),
        "Cropping": _of(f"Cropping{dims}D", 1),
        "DepthwiseConv": _of(f"DepthwiseConv{dims}D", 3, depth_multiplier=2, activation="tanh"),
        "GlobalAveragePooling": _of(f"GlobalAveragePooling{dims}D", keepdims=True),
        "GlobalMaxPooling": _of(f"GlobalMaxPooling{dims}D"),
        "MaxPooling": _of(f"MaxPooling{dims}D", 2, strides=1),
        "SeparableConv": _of(f"SeparableConv{dims}D", 5, 3, depth_multiplier=2, padding="same"),
        "SpatialDropout": _then(_of("ReLU"), f"SpatialDropout{dims}D", 0.5),
        "UpSampling": _of(f"UpSampling{dims}D", 2),
        "ZeroPadding": _of(f"ZeroPadding{dims}D", 2),
    }.items():  # fmt: skip
        yield f"{name}{dims}D", shape, make


def _recurrent() -> Iterator[tuple[str, Shape, Make]]:
    for name in _RECURRENT:
        yield name, STEPS, _of(name, 3)
        yield f"{name} backwards", STEPS, _of(name, 3, go_backwards=True, return_sequences=True)
        yield f"{name} unrolled", STEPS, _of(name, 3, unroll=True, use_bias=False)
        yield f"Bidirectional {name}", STEPS, _around("Bidirectional", _of(name, 3))
        yield f"RNN {name}Cell", STEPS, _around("RNN", _of(f"{name}Cell", 3))
    yield "GRU of Keras 2.2", STEPS, _of("GRU", 3, reset_after=False)


def _others() -> Iterator[tuple[str, Shape, Make]]:
    for name in _ACTIVATIONS:
        yield f"Activation {name}", VECTOR, _then(_of("ReLU"), "Activation", name)
        yield f"Dense {name}", VECTOR, _of("Dense", 5, activation=name)
    yield "Dense on a sequence", STEPS, _of("Dense", 3)
    yield "BatchNormalization", IMAGE, _of("BatchNormalization")
    yield "BatchNormalization bare", STEPS, _of("BatchNormalization", center=False, scale=False)
    yield "causal", STEPS, _of("Conv1D", 2, 3, padding="causal", dilation_rate=2)
    yield "Normalization", VECTOR, _of("Normalization", mean=[1.0] * 6, variance=[4.0] * 5 + [0.0])
    yield "Normalization adapted", VECTOR, lambda layers: [_adapted(layers)]
    yield "Rescaling", IMAGE, _of("Rescaling", 0.25, offset=-1.0)
    yield "LeakyReLU", IMAGE, _of("LeakyReLU", 0.25)
    yield "PReLU", IMAGE, _of("PReLU", shared_axes=[1, 2, 3])
    yield "ReLU", IMAGE, _of("ReLU", max_value=1.0, negative_slope=0.25, threshold=0.5)
    yield "ReLU6", IMAGE, _of("ReLU", 6.0)
    yield "Softmax", VECTOR, _of("Softmax")
    yield "Softmax over all", ROW, _of("Softmax", axis=[2, 3])
    yield "dense with a layer for its activation", VECTOR, lambda layers: [
        layers.Dense(4, activation=layers.LeakyReLU(0.25))
    ]  # fmt: skip
    yield (
        "output padding",
        IMAGE,
        _of("Conv2DTranspose", 2, 3, strides=2, padding="same", output_padding=1),
    )
    yield "RepeatVector", VECTOR, _of("RepeatVector", 3)
    yield "Resizing", IMAGE, _of("Resizing", 12, 10, interpolation="nearest")
    yield "CenterCrop", IMAGE, _of("CenterCrop", 3, 3)
    yield "nested", VECTOR, lambda layers: [
        _model(layers, [layers.Dense(5), layers.BatchNormalization()]), layers.ReLU()
    ]  # fmt: skip
    yield "Flatten", IMAGE, _then(_of("ReLU"), "Flatten")
    yield "Reshape", IMAGE, _of("Reshape", (5, 24))
    yield "Permute", ROW, _of("Permute", (2, 1, 3))
    yield "TimeDistributed Dense", STEPS, _around("TimeDistributed", _of("Dense", 3))
    for name in ("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout"):
        yield name, VECTOR, _then(_of("ReLU"), name, 0.5)
    yield "ActivityRegularization", VECTOR, _then(_of("ReLU"), "ActivityRegularization", 0.1)
    for name, arguments in {
        "RandomFlip": (), "RandomRotation": (0.1,), "RandomZoom": (0.1,), "RandomContrast": (0.1,),
        "RandomTranslation": (0.1, 0.1), "RandomBrightness": (0.1,), "RandomCrop": (6, 5),
    }.items():  # fmt: skip
        yield name, IMAGE, _then(_of("Conv2D", 2, 1), name, *arguments)


def _adapted(layers: Any) -> Any:
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (100, *VECTOR)).astype(np.float32))
    return layer


def _model(layers: Any, stack: list[Any]) -> Any:
    """Return a model inside another; its class stands where the layers' package has it."""
    import keras
    import tf_keras

    package = keras if layers is keras.layers else tf_keras
    return package.Sequential(stack)


def _merges() -> Iterator[tuple[str, Shape, Callable[[Any, Any], Any]]]:
    for name in ("Add", "Average", "Concatenate", "Multiply", "Subtract"):
        yield name, STEPS, _merged(name)
    yield (
        "squeeze and excitation",
        IMAGE,
        lambda layers, x: layers.Multiply()(
            [x, layers.Conv2D(4, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))]
        ),
    )


def cases() -> Iterator[tuple[str, Shape, Callable[[Any, Any], Any]]]:
    """Yield name, input shape, and what makes the output from (layers, input)."""

    def chain(make: Make) -> Callable[[Any, Any], Any]:
        def apply(layers: Any, x: Any) -> Any:
            for layer in make(layers):
                x = layer(x)
            return x

        return apply

    for source in (_spatial(1), _spatial(2), _recurrent(), _others()):
        for name, shape, make in source:
            yield name, shape, chain(make)
    yield from _merges()


CASES = {name: (shape, apply) for name, shape, apply in cases()}
_KEPT = {"Normalization", "Normalization adapted"}  # whose weights are statistics


def build(keras: Any, name: str) -> Any:
    """Return the case's model, of that Keras, with weights of its own."""
    shape, apply = CASES[name]
    x = keras.Input(shape)
    model = keras.Model(x, apply(keras.layers, x))
    randomise(model, keep=name in _KEPT)
    return model


def joined(keras: Any, names: Sequence[str]) -> Any:
    """Return one model of several cases with the same input, their results side by side."""
    x = keras.Input(CASES[names[0]][0])
    parts = [CASES[name][1](keras.layers, x) for name in names]
    flat = [keras.layers.Flatten()(part) for part in parts]
    model = keras.Model(x, keras.layers.Concatenate()(flat))
    randomise(model, keep=False)
    return model


def randomise(model: Any, *, keep: bool) -> None:
    """Give a model weights of no particular kind, variances above zero, slopes of 0.25."""
    rng = np.random.default_rng(1)
    for layer in [] if keep else model.layers:
        kind, weights = type(layer).__name__, layer.get_weights()
        if kind == "Sequential":
            randomise(layer, keep=False)
            continue
        if kind == "Normalization":
            continue
        low = 0.1 if kind == "BatchNormalization" else -0.4
        values = [rng.uniform(low, 0.5, w.shape) for w in weights]
        layer.set_weights([np.full(w.shape, 0.25) for w in weights] if kind == "PReLU" else values)
