"""Test vectors with labels: the bundled digits, and .npz files of the user's."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import DataError

__all__ = [
    "DataSet",
    "is_bundled",
    "load_bundled",
    "load_digit_rows",
    "load_digits",
    "load_npz",
    "zoo_model",
    "zoo_models",
]

TEST_IMAGES = 360
_READ_BY_ROWS = {"gru", "lstm"}
SIDE = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Float inputs as the model takes them.

    x: (n, *input shape); y: (n,) class indices, or None where the data has no labels.
    x_calibration: inputs to choose number formats by; y_calibration: their classes, or None.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64] | None
    x_calibration: npt.NDArray[np.float32]
    y_calibration: npt.NDArray[np.int64] | None = None


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

    1797 handwritten digits of scikit-learn, values 0 to 1; 360 of them are for testing only.
    """
    return _digits(_resize)


def load_digit_rows() -> DataSet:
    """Return the same digits as sequences of eight rows, (n, 8, 8)."""
    return _digits(lambda images: images.astype(np.float32))


def _digits(
    shaped: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float32]],
) -> DataSet:
    from sklearn.datasets import load_digits as bundled
    from sklearn.model_selection import train_test_split

    digits = bundled()
    x_train, x_test, y_train, y_test = train_test_split(
        shaped(digits.images / 16.0),
        digits.target,
        test_size=TEST_IMAGES,
        random_state=0,
        stratify=digits.target,
    )
    return DataSet(
        x=x_test,
        y=y_test.astype(np.int64),
        x_calibration=x_train,
        y_calibration=y_train.astype(np.int64),
    )


def load_npz(path: Path, input_shape: tuple[int, ...]) -> DataSet:
    """Read the user's vectors.

    Arrays `x` (or `x_test`) and, optionally, `y` (or `y_test`), `x_calib` and `y_calib`; classes
    are indices (n,) or one-hot (n, classes). Raises DataError naming file, array and what is wrong.
    """
    try:
        with np.load(path, allow_pickle=False) as npz:
            arrays = {key: npz[key] for key in npz.files}
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as exc:
        # NumPy's own words for a file of another kind advise to unpickle it
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not an .npz file"
        if isinstance(exc, ValueError) and zipfile.is_zipfile(path):
            reason = "it holds Python objects, which are not loaded"
        raise DataError(
            f"{path}: cannot be read as .npz: {reason}; "
            "write it with numpy.savez(path, x=..., y=...)"
        ) from exc
    x = _pick(arrays, ("x", "x_test"))
    if x is None:
        raise DataError(f"{path}: no array 'x' or 'x_test'; it has {sorted(arrays) or 'none'}")
    x = _inputs(path, "x", x, input_shape)
    y = _pick(arrays, ("y", "y_test"))
    labels = None if y is None else _labels(path, "y", y, len(x))
    calibration = arrays.get("x_calib")
    if calibration is None:
        return DataSet(x=x, y=labels, x_calibration=x, y_calibration=labels)
    calibration = _inputs(path, "x_calib", calibration, input_shape)
    classes = arrays.get("y_calib")
    return DataSet(
        x=x,
        y=labels,
        x_calibration=calibration,
        y_calibration=None
        if classes is None
        else _labels(path, "y_calib", classes, len(calibration)),
    )


def _pick(
    arrays: dict[str, npt.NDArray[np.generic]], names: tuple[str, ...]
) -> npt.NDArray[np.generic] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _inputs(
    path: Path, name: str, x: npt.NDArray[np.generic], shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    if x.shape[1:] != shape or x.ndim == 0 or len(x) == 0:
        raise DataError(
            f"{path}: array {name!r} has shape {x.shape}; the model takes (n, {str(shape)[1:-1]}) "
            "with n >= 1"
        )
    if x.dtype.kind not in "fiub":
        raise DataError(f"{path}: array {name!r} has type {x.dtype}; numbers are needed")
    values = x.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError(f"{path}: array {name!r} holds NaN or infinity")
    return values


def _labels(path: Path, name: str, y: npt.NDArray[np.generic], n: int) -> npt.NDArray[np.int64]:
    if y.ndim == 2 and y.shape[1] > 1:
        y = y.argmax(axis=1)
    y = y.reshape(-1)
    if len(y) != n or y.dtype.kind not in "iu" or y.min(initial=0) < 0:
        raise DataError(
            f"{path}: array {name!r} must hold {n} class indices or one-hot rows, "
            f"has shape {y.shape} and type {y.dtype}"
        )
    return y.astype(np.int64)
