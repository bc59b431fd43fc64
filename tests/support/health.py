"""Healthy networks: bundled ones, random ones, and what real users had."""

from pathlib import Path
from typing import Any

import numpy as np

from nnom_hil.zoo.data import zoo_models
from tests.support.random_keras import random_data, random_keras

RANDOM = (2, 5, 6, 11)
FIELD = ("sensors", "binary", "shares")


def healthy(folder: Path, name: str) -> list[str | Path]:
    """Return what explain is given for a healthy network by name, written into a folder."""
    if name in zoo_models():
        return [Path(name)]
    model, data = _made(name)
    file, vectors = folder / f"{name}.keras", folder / f"{name}.npz"
    model.save(file)
    np.savez(vectors, **data)
    return [file, "--data", vectors]


def _made(name: str) -> tuple[Any, dict[str, Any]]:
    if name.startswith("random"):
        seed = int(name.removeprefix("random"))
        model = random_keras(seed)
        return model, {"x": random_data(model, seed, 60)}
    return {"sensors": _sensors, "binary": _binary, "shares": _shares}[name]()


def _sensors() -> tuple[Any, dict[str, Any]]:
    """Acceleration beside rotation, 250 times as large, normalised by the first layer."""
    import keras

    layers, rng = keras.layers, np.random.default_rng(6)
    keras.utils.set_random_seed(4)
    x = rng.normal(size=(300, 32, 6)) * np.array([1, 1, 1, 250, 250, 250])
    x = x.astype(np.float32)
    inputs = keras.Input((32, 6))
    norm = layers.Normalization()
    norm.adapt(x)
    h = layers.Conv1D(8, 5, activation="relu")(norm(inputs))
    model = keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling1D()(h)))
    y = model.predict(x, verbose=0).argmax(axis=1)
    return model, {"x": x, "y": y}


def _binary() -> tuple[Any, dict[str, Any]]:
    """One output that says yes or no, labels as floats."""
    import keras

    layers, rng = keras.layers, np.random.default_rng(3)
    keras.utils.set_random_seed(3)
    x = rng.normal(size=(200, 12)).astype(np.float32)
    model = keras.Sequential(
        [
            layers.Input((12,)),
            layers.Dense(16, activation="tanh"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    y = (model.predict(x, verbose=0) > 0.5).astype(np.float32)
    return model, {"x": x, "y": y}


def _shares() -> tuple[Any, dict[str, Any]]:
    """A softmax that is never sure: its values are read, not the largest of them alone."""
    import keras

    layers, rng = keras.layers, np.random.default_rng(9)
    keras.utils.set_random_seed(9)
    x = rng.uniform(-1, 1, (200, 16)).astype(np.float32)
    model = keras.Sequential([layers.Input((16,)), layers.Dense(5), layers.Softmax()])
    return model, {"x": x}


HEALTHY = (*zoo_models(), *(f"random{seed}" for seed in RANDOM), *FIELD)
