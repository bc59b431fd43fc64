"""Small models with data, made when a suite asks for them."""

import os
from pathlib import Path

__all__ = ["make_model"]


def make_model(folder: Path, outputs: int, activation: str, labels: str) -> Path:
    """Write folder/m.keras and folder/m.npz; labels: classes, several, numbers, inputs, none."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 6)).astype("float32")
    y = {
        "classes": rng.integers(0, max(outputs, 2), (20, 1)).astype("float32"),
        "several": rng.integers(0, 2, (20, outputs)),
        "numbers": rng.normal(size=(20, outputs)),
        "inputs": x,
    }
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(outputs, activation=activation)
    keras.Sequential([keras.Input((6,)), dense]).save(folder / "m.keras")
    np.savez(folder / "m.npz", x=x, **({"y": y[labels]} if labels in y else {}))
    return folder
