"""Test vectors with labels: the bundled digits; files of the user's are read by zoo/files.py."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = [
    "DataSet",
    "is_bundled",
    "known_graph",
    "load_bundled",
    "load_digit_rows",
    "load_digits",
    "stored_graph",
    "zoo_model",
    "zoo_models",
]

Labels = npt.NDArray[np.integer | np.floating | np.bool_]

_READ_BY_ROWS = {"gru", "lstm"}
SIDE = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Float inputs as the model takes them, and labels as they were given.

    x: (n, *input shape); y: n finite numbers or rows of numbers, or None where the data has no
    labels; run/task.py says what they mean. x_calibration: inputs to choose number formats by;
    y_calibration: their labels, or None. y_name, y_calibration_name: the labels' arrays, for
    messages.
    """

    x: npt.NDArray[np.float32]
    y: Labels | None
    x_calibration: npt.NDArray[np.float32]
    y_calibration: Labels | None = None
    y_name: str = "y"
    y_calibration_name: str = "y_calib"


def _resize(images: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return images (n, 8, 8) as (n, 28, 28, 1), bilinear with aligned corners."""
    source = images.shape[1]
    position = np.linspace(0, source - 1, SIDE)
    low = np.minimum(position.astype(int), source - 2)
    matrix = np.zeros((SIDE, source))
    matrix[np.arange(SIDE), low] = 1 - (position - low)
    matrix[np.arange(SIDE), low + 1] = position - low
    return (matrix @ images @ matrix.T)[..., np.newaxis].astype(np.float32)


def zoo_model(name: str) -> Path:
    """Return where a bundled model is."""
    return Path(__file__).parent / "models" / f"{name}.keras"


def stored_graph(model: Path) -> Path:
    """Return where the float graph of a bundled model is, which is read without Keras."""
    return model.with_suffix(".npz")


def known_graph(model: Path) -> Path | None:
    """Return the stored float graph of a bundled model, or of a copy of one; None for another."""
    for name in zoo_models():
        bundled = zoo_model(name)
        if model == bundled or _is_copy(model, bundled):
            return stored if (stored := stored_graph(bundled)).is_file() else None
    return None


def _is_copy(model: Path, bundled: Path) -> bool:
    try:
        return (
            model.is_file()
            and model.stat().st_size == bundled.stat().st_size
            and model.read_bytes() == bundled.read_bytes()
        )
    except OSError:
        return False


def zoo_models() -> list[str]:
    """Return the names of the bundled models."""
    return sorted(path.stem for path in zoo_model("").parent.glob("*.keras"))


def is_bundled(model: Path) -> bool:
    """Whether the file is one of the bundled models."""
    return model.parent == zoo_model("").parent


def load_bundled(model: Path) -> DataSet:
    """Return the data that a bundled model is for."""
    return load_digit_rows() if model.stem in _READ_BY_ROWS else load_digits()


def load_digits() -> DataSet:
    """Return the digits test set as (n, 28, 28, 1), with the training images for calibration.

    1797 handwritten digits (zoo/LICENCES.md), values 0 to 1; 360 of them are for testing only.
    """
    return _digits(_resize)


def load_digit_rows() -> DataSet:
    """Return the same digits as sequences of eight rows, (n, 8, 8)."""
    return _digits(lambda images: images.astype(np.float32))


def _digits(
    shaped: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float32]],
) -> DataSet:
    with np.load(Path(__file__).parent / "digits.npz", allow_pickle=False) as npz:
        found = {name: npz[name] for name in npz.files}
    return DataSet(
        x=shaped(found["x_test"] / 16.0),
        y=found["y_test"].astype(np.int64),
        x_calibration=shaped(found["x_train"] / 16.0),
        y_calibration=found["y_train"].astype(np.int64),
    )
