"""Train the bundled digits CNN: python -m nnom_hil.zoo.digits.train [FILE.keras].

28x28x1 in, ten classes out. Only the training images of `load_digits_split` are used.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from nnom_hil.zoo.data import load_digits_split

__all__ = ["main"]

EPOCHS = 40
SEED = 1


def build() -> Any:
    """Return the untrained network."""
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


def main(argv: list[str]) -> int:
    """Train, print the accuracy on the test images, write the model."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(SEED)
    data, y_train = load_digits_split()
    x_train = data.x_calibration
    # The data set is small: shifted copies make it nine times as large.
    shifts = [(dy, dx) for dy in (-2, 0, 2) for dx in (-2, 0, 2)]
    x_all = np.concatenate([np.roll(x_train, shift, axis=(1, 2)) for shift in shifts])
    y_all = np.tile(y_train, len(shifts))
    model = build()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_all, y_all, epochs=EPOCHS, batch_size=256, verbose=2)
    accuracy = model.evaluate(data.x, data.y, verbose=0)[1]
    print(f"accuracy on {len(data.x)} test images: {accuracy:.4f}")
    model.save(Path(argv[1] if len(argv) > 1 else Path(__file__).with_name("digits.keras")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
