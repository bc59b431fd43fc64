"""Train the bundled models: python -m nnom_hil.zoo.train NAME [FILE.keras].

All tell the ten handwritten digits apart: images of 28 × 28 (digits, separable, resnet), or the
8 × 8 originals read as sequences of rows (gru, lstm). Only the training images are used.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nnom_hil.zoo.data import load_digit_rows, load_digits, zoo_model

__all__ = ["main"]

EPOCHS = 40
SEED = 1


def digits() -> Any:
    """Return a small CNN."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28, 1), name="input_1"),
            layers.Conv2D(8, 3, padding="same", name="conv2d_1"),
            layers.BatchNormalization(name="batch_normalization_1"),
            layers.ReLU(name="re_lu_1"),
            layers.MaxPooling2D(2, name="max_pooling2d_1"),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv2d_2"),
            layers.MaxPooling2D(2, name="max_pooling2d_2"),
            layers.Conv2D(24, 3, padding="same", activation="relu", name="conv2d_3"),
            layers.MaxPooling2D(2, name="max_pooling2d_3"),
            layers.Flatten(name="flatten_1"),
            layers.Dropout(0.3, name="dropout_1"),
            layers.Dense(32, activation="relu", name="dense_1"),
            layers.Dense(10, name="dense_2"),
            layers.Softmax(name="softmax_1"),
        ],
        name="digits",
    )


def separable() -> Any:
    """Return a MobileNet in small: depthwise and pointwise convolutions, ReLU6."""
    import keras
    from keras import layers

    x = inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    for filters, stride in ((16, 1), (24, 2), (24, 1), (32, 2)):
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="separable")


def resnet() -> Any:
    """Return a residual network of three blocks."""
    import keras
    from keras import layers

    def conv(x: Any, filters: int, size: int, stride: int) -> Any:
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((28, 28, 1))
    x = layers.ReLU()(conv(inputs, 8, 3, 1))
    for filters, stride in ((8, 1), (16, 2), (32, 2)):
        y = layers.ReLU()(conv(x, filters, 3, stride))
        y = conv(y, filters, 3, 1)
        short = x if stride == 1 else conv(x, filters, 1, stride)
        x = layers.ReLU()(layers.Add()([y, short]))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="resnet")


def gru() -> Any:
    """Return a GRU over the rows of an image."""
    return _recurrent("GRU", "gru")


def lstm() -> Any:
    """Return an LSTM over the rows of an image."""
    return _recurrent("LSTM", "lstm")


def _recurrent(kind: str, name: str) -> Any:
    """Weights decay, so that none is large: one format has to hold them all."""
    import keras
    from keras import layers, regularizers

    decay = regularizers.L2(1e-4)
    return keras.Sequential(
        [
            keras.Input((8, 8)),
            getattr(layers, kind)(32, kernel_regularizer=decay, recurrent_regularizer=decay),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ],
        name=name,
    )


MODELS: dict[str, Callable[[], Any]] = {
    "digits": digits,
    "gru": gru,
    "lstm": lstm,
    "resnet": resnet,
    "separable": separable,
}


def main(argv: list[str]) -> int:
    """Train, print the accuracy on the test images, write the model."""
    if len(argv) < 2 or argv[1] not in MODELS:
        print(f"usage: python -m nnom_hil.zoo.train NAME [FILE.keras]; names: {', '.join(MODELS)}")
        return 2
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # they crash while training the resnet
    import keras

    keras.utils.set_random_seed(SEED)
    model = MODELS[argv[1]]()
    images = len(model.input_shape) == 4
    data = load_digits() if images else load_digit_rows()
    assert data.y_calibration is not None
    # The data set is small: shifted copies make it nine times as large.
    step = 2 if images else 1
    shifts = [(dy, dx) for dy in (-step, 0, step) for dx in (-step, 0, step)]
    x = np.concatenate([np.roll(data.x_calibration, shift, axis=(1, 2)) for shift in shifts])
    y = np.tile(data.y_calibration, len(shifts))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=EPOCHS, batch_size=256 if images else 64, verbose=2)
    accuracy = model.evaluate(data.x, data.y, verbose=0)[1]
    print(f"accuracy on {len(data.x)} test images: {accuracy:.4f}")
    model.save(Path(argv[2]) if len(argv) > 2 else zoo_model(argv[1]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
