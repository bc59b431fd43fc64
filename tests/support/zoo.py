"""Write what is bundled in a form that needs no framework: python -m nnom_hil.zoo.store.

The digits of scikit-learn as `digits.npz`, and the float graph of each bundled model beside it.
Needs the extras convert and train. A test compares what is bundled with what this writes.
"""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.keras_import import read_keras
from nnom_hil.model.stored import StoredModel, write_stored
from nnom_hil.zoo.data import stored_graph, zoo_model, zoo_models

__all__ = ["digit_arrays", "main", "stored_model"]

TEST_IMAGES = 360


def digit_arrays() -> dict[str, npt.NDArray[np.uint8]]:
    """Return images (n, 8, 8) of values 0 to 16 and labels, shared out for training and testing."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    parts = train_test_split(
        digits.images, digits.target, test_size=TEST_IMAGES, random_state=0, stratify=digits.target
    )
    names = ("x_train", "x_test", "y_train", "y_test")
    return {name: part.astype(np.uint8) for name, part in zip(names, parts, strict=True)}


def stored_model(path: Path) -> StoredModel:
    """Return a bundled model as Keras reads it."""
    read = read_keras(path)
    libraries = {name: str(_loaded(name).__version__) for name in ("keras", "tensorflow", "h5py")}
    return StoredModel(graph=read.graph, output_shape=read.output_shape, libraries=libraries)


def _loaded(name: str) -> Any:
    return sys.modules[name]


def main() -> int:
    """Write all files."""
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **digit_arrays())
    (Path(__file__).parent / "digits.npz").write_bytes(buffer.getvalue())
    for name in zoo_models():
        path = zoo_model(name)
        stored_graph(path).write_bytes(write_stored(stored_model(path)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
