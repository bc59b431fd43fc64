"""Keras models of every operator that TFLite has of NNoM's, and what TensorFlow makes of them."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

layers = keras.layers


def write_tflite(model: Any, path: Path, **how: Any) -> Path:
    """Write what TensorFlow's converter makes of a model; how: attributes of the converter."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    for name, value in how.items():
        setattr(converter, name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it expected of a quantised model, and was not told
        path.write_bytes(converter.convert())
    return path


def _digits() -> Any:
    return keras.Sequential([
        keras.Input((12, 12, 1)), layers.Conv2D(6, 3, padding="same"), layers.BatchNormalization(),
        layers.ReLU(), layers.MaxPooling2D(), layers.Conv2D(8, 3, strides=2, activation="relu6"),
        layers.Flatten(), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip


def _dense() -> Any:
    return keras.Sequential([
        keras.Input((8,)), layers.Dense(12, activation="tanh"), layers.Dropout(0.2),
        layers.Dense(4, activation="sigmoid"),
    ])  # fmt: skip


def _separable() -> Any:
    return keras.Sequential([
        keras.Input((9, 10, 3)), layers.SeparableConv2D(6, 3, padding="same", activation="relu"),
        layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2),
        layers.LeakyReLU(), layers.GlobalAveragePooling2D(), layers.Dense(3),
    ])  # fmt: skip


def _dilated() -> Any:
    return keras.Sequential([
        keras.Input((11, 10, 2)), layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
        layers.Conv2D(3, 3, dilation_rate=(2, 1), activation="relu"), layers.GlobalMaxPooling2D(),
    ])  # fmt: skip


def _signal() -> Any:
    return keras.Sequential([
        keras.Input((24, 2)), layers.Conv1D(6, 5, dilation_rate=2, padding="causal"),
        layers.ReLU(), layers.AveragePooling1D(2), layers.Conv1D(4, 3, padding="same"),
        layers.MaxPooling1D(2, padding="same"), layers.Flatten(), layers.Dense(3),
    ])  # fmt: skip


def _decoder() -> Any:
    return keras.Sequential([
        keras.Input((8, 8, 2)), layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(2, 2, strides=2, activation="sigmoid"),
    ])  # fmt: skip


def _up() -> Any:
    return keras.Sequential([
        keras.Input((4, 5, 2)), layers.UpSampling2D((2, 3)), layers.Conv2D(3, 3),
        layers.UpSampling2D(2), layers.Cropping2D(((1, 2), (0, 3))),
        layers.ZeroPadding2D(((2, 0), (1, 1))), layers.AveragePooling2D(3, 2, padding="same"),
    ])  # fmt: skip


def _residual() -> Any:
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same")(x)
    y = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Concatenate()([x, layers.MaxPooling2D(3, 1, padding="same")(y)])
    x = layers.Subtract()([x, layers.Conv2D(12, 1)(x)])
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


def _gated() -> Any:
    x = inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(6, 3, activation="silu")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(6, activation="hard_sigmoid")(layers.Dense(3, activation="relu")(gate))
    x = layers.Multiply()([x, gate])
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def _activations() -> Any:
    x = inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, activation="hard_silu")(x)
    x = layers.PReLU(alpha_initializer=keras.initializers.Constant(0.2))(x)
    x = layers.ReLU(max_value=0.7)(x)
    x = layers.Conv2D(4, 1, activation="hard_tanh")(x)
    return keras.Model(inputs, x)


def _scaled() -> Any:
    x = inputs = keras.Input((6, 5, 3))
    x = layers.Rescaling(0.5, offset=-0.25)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(4, 2)(x) * 2 + 1
    return keras.Model(inputs, layers.Reshape((20, 4))(x))


def _sliced() -> Any:
    x = inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 1)(x)
    y = layers.Concatenate()([x[:, 1:-1, ::2, :2], x[:, 2:, 4:, 2:]])
    return keras.Model(inputs, layers.Conv2D(2, 3)(y))


def _means() -> Any:
    x = inputs = keras.Input((6, 4, 3))
    rows = keras.ops.mean(layers.Conv2D(4, 2)(x), 1)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(keras.ops.max(rows, 1))))


def _steps() -> Any:
    x = inputs = keras.Input((6, 5))
    x = layers.Dense(8, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


def _unrolled() -> Any:
    x = inputs = keras.Input((3, 4), batch_size=1)
    x = layers.LSTM(3, unroll=True)(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def _gru() -> Any:
    x = inputs = keras.Input((3, 4), batch_size=1)
    return keras.Model(inputs, layers.GRU(3, unroll=True)(x))


def _of_keras_2(build: Callable[[Any, Any], Any]) -> Callable[[], Any]:
    """Return what builds a model of Keras 2, whose LSTM TFLite has as one operator."""

    def model() -> Any:
        import tf_keras

        inputs = tf_keras.Input((6, 5), batch_size=1)
        return tf_keras.Model(inputs, build(tf_keras.layers, inputs))

    return model


MODELS: Mapping[str, Callable[[], Any]] = {
    "activations": _activations, "decoder": _decoder, "dense": _dense, "digits": _digits,
    "dilated": _dilated, "gated": _gated, "gru": _gru, "means": _means, "residual": _residual,
    "scaled": _scaled, "separable": _separable, "signal": _signal, "sliced": _sliced,
    "steps": _steps, "unrolled": _unrolled, "up": _up,
    "lstm": _of_keras_2(lambda k, x: k.Dense(3)(k.LSTM(4)(x))),
    "lstms": _of_keras_2(lambda k, x: k.LSTM(3)(k.LSTM(4, return_sequences=True)(x))),
    "backward": _of_keras_2(lambda k, x: k.LSTM(4, go_backwards=True)(x)),
    "both": _of_keras_2(
        lambda k, x: k.LSTM(3)(k.Bidirectional(k.LSTM(4, return_sequences=True))(x))
    ),
}  # fmt: skip


def built(name: str, folder: Path) -> Path:
    """Write one of the models with random weights."""
    keras.utils.set_random_seed(1)
    model = MODELS[name]()
    rng = np.random.default_rng(2)
    model.set_weights([
        w + rng.uniform(0.1, 0.4, w.shape).astype(w.dtype) if w.ndim == 1 else w
        for w in model.get_weights()
    ])  # fmt: skip
    return write_tflite(model, folder / f"{name}.tflite")
