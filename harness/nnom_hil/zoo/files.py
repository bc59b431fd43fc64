"""Reads the user's vectors: .npz in all its variants, .npy; other files are refused by name."""

import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.archives import ArchiveLimits, archive_problem
from nnom_hil.errors import DataError
from nnom_hil.zoo.data import DataSet, Labels

__all__ = ["load_vectors"]

Array = npt.NDArray[Any]

X_NAMES: Final = ("x", "x_test", "X", "X_test")
Y_NAMES: Final = ("y", "y_test", "Y", "Y_test", "labels", "targets")
_X_CALIB: Final = ("x_calib", "X_calib")
_Y_CALIB: Final = ("y_calib", "Y_calib")
_LIMITS: Final = ArchiveLimits(members=65536, unpacked=8 << 30, expansion=100, small=256 << 20)
_WRITE: Final = "write it with numpy.savez(path, x=..., y=...)"

# (what a file begins with, its endings, what it is called, how an array is had from it)
_OTHERS: Final[tuple[tuple[bytes | None, tuple[str, ...], str, str], ...]] = (
    (b"\x89HDF", (".h5", ".hdf5"), "an HDF5 file", "x = h5py.File(FILE)['x'][:]"),
    (b"\x80", (".pkl", ".pickle", ".p"), "a pickle, which is code to run,",
     "x = pickle.load(open(FILE, 'rb')), if you trust it"),
    (b"MATLAB", (".mat",), "a MATLAB file", "x = scipy.io.loadmat(FILE)['x']"),
    (b"\x1f\x8b", (".gz",), "a compressed file", "unpack it with gunzip"),
    (b"PAR1", (".parquet",), "a Parquet file", "x = pandas.read_parquet(FILE).to_numpy()"),
    (b"\x89PNG", (".png", ".jpg", ".jpeg", ".bmp"), "an image",
     "x = numpy.stack([numpy.asarray(PIL.Image.open(f)) for f in files])"),
    (None, (".csv", ".tsv", ".txt"), "a table of text",
     "x = numpy.loadtxt(FILE, delimiter=',', ndmin=2)"),
    (None, (".tfrecord", ".tfrecords"), "a TFRecord file",
     "x = numpy.stack([... for r in tf.data.TFRecordDataset(FILE)])"),
    (None, (".json",), "a JSON file", "x = numpy.array(json.load(open(FILE)))"),
    (None, (".pt", ".pth"), "a PyTorch file", "x = torch.load(FILE).numpy()"),
)  # fmt: skip


def load_vectors(
    path: Path, input_shape: tuple[int, ...], *, channels_first: bool = False
) -> DataSet:
    """Read vectors and labels for a model that takes (n, *input_shape).

    An .npz has `x` (or `x_test`, `X`) and, optionally, `y` (or `y_test`, `Y`, `labels`,
    `targets`), `x_calib` and `y_calib`; an .npy is x alone. As in Keras, a last axis of one may be
    left out or be too many. channels_first: whether the model's first axis is the channels, which
    may be left out where it is one. Raises DataError naming file, array, what is wrong, and the
    remedy.
    """
    found = _read(path)
    read_inputs = partial(_inputs_of, channels_first=channels_first)
    x_name = _pick(found, X_NAMES)
    assert x_name is not None  # _read() has seen to it
    x = read_inputs(path, x_name, found[x_name], input_shape)
    y_name = _pick(found, Y_NAMES)
    y = None if y_name is None else _labels(path, y_name, found[y_name], len(x))
    calibration = _pick(found, _X_CALIB)
    if calibration is None:
        return DataSet(x=x, y=y, x_calibration=x, y_calibration=y, y_name=y_name or "")
    x_calib = read_inputs(path, calibration, found[calibration], input_shape)
    name = _pick(found, _Y_CALIB)
    y_calib = None if name is None else _labels(path, name, found[name], len(x_calib))
    return DataSet(
        x=x,
        y=y,
        x_calibration=x_calib,
        y_calibration=y_calib,
        y_name=y_name or "",
        y_calibration_name=name or "",
    )


def _read(path: Path) -> dict[str, Array]:
    """Return the arrays that we know of; others may be of any kind. x is one of them."""
    try:
        with path.open("rb") as file:
            begin = file.read(8)
            file.seek(0)
            if begin[:6] == b"\x93NUMPY":
                return {"x": _array(path, "x", partial(np.load, file, allow_pickle=False))}
            if begin[:2] != b"PK":
                raise DataError(_other_kind(path, begin))
            if (problem := archive_problem(file, _LIMITS)) is not None:
                raise DataError(f"{path}: {problem}; it is not unpacked: {_WRITE}")
            with np.load(file, allow_pickle=False) as npz:
                names = [_pick(npz, some) for some in (X_NAMES, Y_NAMES, _X_CALIB, _Y_CALIB)]
                if names[0] is None:
                    raise _no_x(path, sorted(npz))
                return {n: _array(path, n, partial(npz.__getitem__, n)) for n in names if n}
    except OSError as exc:
        raise DataError(_cannot_read(path, exc)) from exc
    except (
        ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile,
        zlib.error, lzma.LZMAError,
    ) as exc:  # fmt: skip
        said = str(exc).strip("'\"") or type(exc).__name__
        raise DataError(f"{path}: cannot be read as .npz: it is damaged: {said}; {_WRITE}") from exc


def _array(path: Path, name: str, read: Callable[[], Any]) -> Array:
    try:
        array = read()
    except ValueError as exc:
        if "Object arrays" not in str(exc):
            raise
        raise DataError(
            f"{path}: array {name!r} holds Python objects, which are not loaded; make it numbers "
            f"of one shape: numpy.stack or numpy.asarray({name}, dtype='float32')"
        ) from exc
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {name!r} is no array; {_WRITE}")
    return array


def _cannot_read(path: Path, error: OSError) -> str:
    if path.is_dir():
        return f"{path}: cannot be read: it is a folder; --data names one file: {_WRITE}"
    return f"{path}: cannot be read: {error.strerror or error}"


def _other_kind(path: Path, begin: bytes) -> str:
    kinds = [kind for kind in _OTHERS if kind[0] is not None and begin.startswith(kind[0])]
    kinds += [kind for kind in _OTHERS if path.suffix.lower() in kind[1]]
    for _, _, what, how in kinds:
        make = how.replace("FILE", repr(path.name))
        return f"{path}: {what} is not read as data; {make}; then numpy.savez(path, x=x)"
    if not begin:
        return f"{path}: cannot be read as .npz: the file is empty; {_WRITE}"
    return f"{path}: cannot be read as .npz: not an .npz file; {_WRITE}"


def _pick(arrays: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((name for name in names if name in arrays), None)


def _no_x(path: Path, keys: list[str]) -> DataError:
    has = f"it has {keys or 'none'}"
    if "arr_0" in keys:
        remedy = "name the arrays: numpy.savez(path, x=..., y=...)"
    elif any("." in key or "/" in key for key in keys):
        remedy = f"is it a model or a folder in a .zip? {_WRITE}"
    else:
        remedy = _WRITE
    return DataError(f"{path}: no array 'x' or 'x_test'; {has}; {remedy}")


def _numbers(path: Path, name: str, array: Array, text_remedy: str) -> Array:
    """Return the array if it holds real numbers; raises DataError saying how it would."""
    remedies = {
        "c": "complex numbers; give real and imaginary parts as two channels",
        "U": text_remedy,
        "S": text_remedy,
        "V": "records with named fields; numpy.lib.recfunctions.structured_to_unstructured helps",
        "M": "dates; give them as numbers",
        "m": "durations; give them as numbers",
    }
    if array.dtype.kind not in "fiub":
        what = remedies.get(array.dtype.kind, "no numbers")
        raise DataError(
            f"{path}: array {name!r} has type {array.dtype}; numbers are needed, these are {what}"
        )
    return array


def _refuse_not_finite(path: Path, name: str, given: Array, values: Array) -> None:
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    what = "NaN or infinity"
    if np.isfinite(given[first]):
        what = f"numbers beyond 32-bit floats ({given[first]})"
    place = ", ".join(map(str, first))
    raise DataError(
        f"{path}: array {name!r} holds {what}: {int(bad.sum())}, the first at [{place}]; leave "
        "such rows out, or fill in what they should be"
    )


def _inputs_of(
    path: Path, name: str, x: Array, shape: tuple[int, ...], *, channels_first: bool
) -> npt.NDArray[np.float32]:
    given = x.shape
    if x.ndim and x.shape[1:] != shape:
        if x.shape[1:] == (*shape, 1):
            x = x[..., 0]
        elif (*x.shape[1:], 1) == shape:
            x = x[..., np.newaxis]
        elif channels_first and (1, *x.shape[1:]) == shape:
            x = x[:, np.newaxis]
    if x.ndim == 0 or x.shape[1:] != shape or len(x) == 0:
        takes = ", ".join(map(str, shape))
        raise DataError(
            f"{path}: array {name!r} has shape {given}; the model takes (n, {takes}) "
            f"with n >= 1{_shape_remedy(name, given, shape, channels_first)}"
        )
    _numbers(path, name, x, "text; give numbers, such as one-hot rows of categories")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(x, dtype=np.float32)
    _refuse_not_finite(path, name, x, values)
    return values


def _shape_remedy(
    name: str, given: tuple[int, ...], shape: tuple[int, ...], channels_first: bool
) -> str:
    if given == shape:
        return f"; for a single vector: {name}[numpy.newaxis]"
    if channels_first and given[1:] == (*shape[1:], shape[0]):
        return f"; this model's channels come first: numpy.moveaxis({name}, -1, 1)"
    if len(shape) > 1 and given[1:] == (shape[-1], *shape[:-1]):
        return f"; channels come last: numpy.moveaxis({name}, 1, -1)"
    if len(given) > 1 and 0 < int(np.prod(given[1:])) == int(np.prod(shape)):
        return f"; the same number of values: {name}.reshape(-1, {', '.join(map(str, shape))})"
    return ""


def _labels(path: Path, name: str, y: Array, n: int) -> Labels:
    if y.ndim == 0 or len(y) != n:
        raise DataError(
            f"{path}: array {name!r} has shape {y.shape}, but there are {n} inputs: one label, or "
            "one row of labels, is needed for each; leave it out to run without labels"
        )
    _numbers(
        path, name, y,
        f"names of classes; give their numbers: numpy.unique({name}, return_inverse=True)[1]",
    )  # fmt: skip
    with np.errstate(over="ignore"):
        _refuse_not_finite(path, name, y, np.asarray(y, dtype=np.float32))
    return y
