"""Runs in QEMU share one cache of conversions and images, apart from the user's."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all workers: the builds are locked and cached by content.

    NNOM_TEST_CACHE names one that the Robot suites take up afterwards.
    """
    base = tmp_path_factory.getbasetemp()
    own = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder = Path(os.environ.get("NNOM_TEST_CACHE", own))
    before = os.environ.get("NNOM_HIL_CACHE")
    os.environ["NNOM_HIL_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["NNOM_HIL_CACHE"]
    else:
        os.environ["NNOM_HIL_CACHE"] = before


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network that fits 8 KB of RAM, and vectors with labels."""
    import keras

    folder = tmp_path_factory.mktemp("tiny")
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )
    model.save(folder / "tiny.keras")
    rng = np.random.default_rng(0)
    x = rng.random((50, 8, 8, 1), dtype=np.float32)
    np.savez(folder / "tiny.npz", x=x, y=rng.integers(0, 10, 50))
    return folder / "tiny.keras", folder / "tiny.npz"
