"""Files of vectors: what Keras takes is taken, what is not is refused by name with the remedy."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnom_hil.errors import DataError
from nnom_hil.zoo.files import load_vectors

X = np.arange(24.0).reshape(4, 2, 3)
KINDS = ("i1", "u1", ">i2", "i8", "u8", "f2", "f4", "<f8", ">f8", "longdouble", "?")


@settings(deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    compressed=st.booleans(),
    fortran=st.booleans(),
    names=st.sampled_from([("x", "y"), ("x_test", "y_test"), ("X", "Y"), ("x", "labels")]),
)
def test_inputs_of_every_type_are_taken(
    kind: str, compressed: bool, fortran: bool, names: tuple[str, str], tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("d") / "v.npz"
    x = np.asarray(X.astype(kind), order="F" if fortran else "C")
    save: Any = np.savez_compressed if compressed else np.savez
    save(path, **{names[0]: x, names[1]: np.arange(4), "other": np.array([{}], object)})
    data = load_vectors(path, (2, 3))
    assert data.x.dtype == np.float32
    assert data.x.flags.c_contiguous
    assert data.x.tolist() == x.astype(np.float32).tolist()
    assert data.y is not None
    assert data.y.tolist() == [0, 1, 2, 3]
    assert data.x_calibration is data.x


@pytest.mark.parametrize(
    ("given_", "takes"), [((4, 6), (6, 1)), ((4, 6, 1), (6,)), ((4,), (1,)), ((4, 2, 3), (2, 3, 1))]
)
def test_last_axis_of_one_may_come_or_go_as_in_keras(
    given_: tuple[int, ...], takes: tuple[int, ...], tmp_path: Path
) -> None:
    np.savez(tmp_path / "v.npz", x=np.ones(given_))
    assert load_vectors(tmp_path / "v.npz", takes).x.shape == (4, *takes)


def test_npy_is_x_alone(tmp_path: Path) -> None:
    for name in ("v.npy", "v.npz"):
        with (tmp_path / name).open("wb") as file:
            np.save(file, X)
        data = load_vectors(tmp_path / name, (2, 3))
        assert data.y is None
        assert data.x.tolist() == X.tolist()


def test_calibration_has_its_own_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", x=X, y=np.arange(4), x_calib=X[:2] + 1, y_calib=[7, 8])
    data = load_vectors(tmp_path / "v.npz", (2, 3))
    assert data.x_calibration.tolist() == (X[:2] + 1).tolist()
    assert data.y_calibration is not None
    assert data.y_calibration.tolist() == [7, 8]


NAN = X.copy()
NAN[1, 1, 2] = np.nan
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({"x": NAN}, "holds NaN or infinity: 1, the first at [1, 1, 2]"),
    "infinity": ({"x": np.where(X == 5, np.inf, X)}, "first at [0, 1, 2]"),
    "too large": ({"x": X * 1e300}, "beyond 32-bit floats (1e+300)"),
    "complex": ({"x": X * 1j}, "real and imaginary parts as two channels"),
    "text": ({"x": X.astype(str)}, "numbers are needed, these are text"),
    "dates": ({"x": X.astype("M8[s]")}, "dates; give them as numbers"),
    "records": ({"x": np.zeros((4, 2, 3), [("a", "f4")])}, "structured_to_unstructured"),
    "objects": ({"x": np.array([{}, {}, {}, {}])}, "holds Python objects"),
    "a number": ({"x": 3.0}, "has shape (); the model takes (n, 2, 3)"),
    "nothing": ({"x": X[:0]}, "with n >= 1"),
    "one vector": ({"x": X[0]}, "for a single vector: x[numpy.newaxis]"),
    "channels first": ({"x": X.reshape(4, 3, 2)}, "channels come last: numpy.moveaxis(x, 1, -1)"),
    "flat": ({"x": X.reshape(4, 6)}, "x.reshape(-1, 2, 3)"),
    "no x": ({"y": X}, "no array 'x' or 'x_test'; it has ['y']"),
    "no names": ({"arr_0": X}, "name the arrays"),
    "names of classes": ({"x": X, "y": list("abca")}, "numpy.unique(y, return_inverse=True)[1]"),
    "few labels": ({"x": X, "y": [0, 1]}, "has shape (2,), but there are 4 inputs"),
    "one label": ({"x": X, "y": 1}, "has shape (), but there are 4 inputs"),
    "NaN as label": ({"x": X, "y": [0, np.nan, 1, 1]}, "array 'y' holds NaN or infinity: 1"),
    "objects as labels": ({"x": X, "y": np.array([None] * 4)}, "array 'y' holds Python objects"),
    "calibration": ({"x": X, "x_calib": NAN}, "array 'x_calib' holds NaN"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_wrong_array_is_refused_with_the_remedy(case: str, tmp_path: Path) -> None:
    arrays, message = ARRAYS[case]
    path = tmp_path / "v.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        load_vectors(path, (2, 3))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def zipped(**members: bytes) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def saved(**arrays: Any) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999, 9), }\n"
FILES: dict[str, tuple[str, bytes, str]] = {
    "CSV": ("v.csv", b"1,2\n", "numpy.loadtxt('v.csv'"),
    "HDF5": ("v.h5", b"\x89HDF\r\n\x1a\n", "h5py.File('v.h5')"),
    "HDF5 by another name": ("v.npz", b"\x89HDF\r\n\x1a\n", "an HDF5 file is not read as data"),
    "pickle": ("v.pkl", b"\x80\x04.", "a pickle, which is code to run"),
    "MATLAB": ("v.mat", b"MATLAB 5.0 MAT-file", "scipy.io.loadmat('v.mat')"),
    "TFRecord": ("v.tfrecord", b"\x01\x00", "tf.data.TFRecordDataset('v.tfrecord')"),
    "gzip": ("v.npz.gz", b"\x1f\x8b\x08", "gunzip"),
    "image": ("v.png", b"\x89PNG\r\n", "an image is not read as data"),
    "empty": ("v.npz", b"", "the file is empty"),
    "other": ("v.bin", b"hello", "not an .npz file; write it with numpy.savez"),
    "model": ("v.npz", zipped(config_json=b"{}", model_weights_h5=b""), "is it a model"),
    "cut off": ("v.npz", saved(x=X)[:200], "it is damaged"),
    "cut off array": ("v.npy", b"\x93NUMPY\x01\x00", "it is damaged"),
    "huge": (
        "v.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(HUGE)) + HUGE.encode(), "damaged",
    ),
    "no array": ("v.npz", zipped(x=b"hello"), "'x' is no array"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_file_of_another_kind_is_refused_by_name(case: str, tmp_path: Path) -> None:
    name, content, message = FILES[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_vectors(path, (2, 3))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_flipped_bits_of_a_file_are_never_taken_for_data(tmp_path: Path) -> None:
    """A zip has checksums of its arrays; whatever is hit, it is a DataError or harmless."""
    whole, path = saved(x=X, y=np.arange(4)), tmp_path / "v.npz"
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            data = load_vectors(path, (2, 3))
        except DataError:
            continue
        assert data.x.tolist() == X.tolist()


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it is a folder; --data names one file"):
        load_vectors(tmp_path, (2, 3))
