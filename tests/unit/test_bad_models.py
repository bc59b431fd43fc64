"""What cannot be converted: each bad model, data file or wish gets one clear message, no header."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nnom_hil.cli.app import run_app

layers = keras.layers
Make = Callable[[Path], Path]

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")


class OwnLayer(keras.Layer):  # type: ignore[misc]  # Keras is untyped
    def call(self, x: Any) -> Any:
        return x


def saved(*stack: Any, shape: tuple[int | None, ...] = (8, 8, 4), name: str = "m.keras") -> Make:
    """Return what writes a chain of layers, made anew each time."""

    def make(folder: Path) -> Path:
        model = keras.Sequential([keras.Input(shape), *(layer() for layer in stack)])
        model.save(folder / name)
        return folder / name

    return make


def built(function: Callable[[], Any]) -> Make:
    def make(folder: Path) -> Path:
        function().save(folder / "m.keras")
        return folder / "m.keras"

    return make


def content(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def empty_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "m.keras", "w") as archive:
        archive.writestr("readme.txt", "hello")
    return folder / "m.keras"


def broken_config(folder: Path) -> Path:
    path = saved(layers.ReLU)(folder)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = b"{"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def weights_file(folder: Path) -> Path:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.save_weights(folder / "m.weights.h5")
    return folder / "m.weights.h5"


def plain_folder(folder: Path) -> Path:
    (folder / "model").mkdir()
    return folder / "model"


def exported(folder: Path) -> Path:
    (folder / "model").mkdir()
    (folder / "model" / "saved_model.pb").write_bytes(b"")
    return folder / "model"


def legacy_lambda(folder: Path) -> Path:
    """An HDF5 file as Keras 2 wrote it, with code inside."""
    import h5py

    path = saved(layers.ReLU, name="m.h5")(folder)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1] = {"class_name": "Lambda", "config": {"name": "code"}}
        file.attrs["model_config"] = json.dumps(config)
    return path


def shared() -> Any:
    x = inputs = keras.Input((6,))
    dense = layers.Dense(6, name="twice")
    return keras.Model(inputs, dense(dense(x)))


def two_inputs() -> Any:
    a, b = keras.Input((4,)), keras.Input((4,))
    return keras.Model([a, b], layers.Add()([a, b]))


def two_outputs() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, [layers.Dense(2)(x), layers.Dense(3)(x)])


def own_state() -> Any:
    x = keras.Input((5, 3))
    y, state = layers.GRU(4, return_sequences=True, return_state=True, name="first")(x)
    return keras.Model(x, layers.GRU(4, name="second")(y, initial_state=state))


def different_shapes() -> Any:
    x = keras.Input((4, 4, 3))
    y = layers.Conv2D(1, 1)(x)
    return keras.Model(x, layers.Multiply(name="gate")([x, y]))


def with_weights(value: float) -> Callable[[], Any]:
    def make() -> Any:
        model = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(2, 3, name="c")])
        kernel, bias = model.layers[0].get_weights()
        kernel[0, 0, 0, 0] = value
        model.layers[0].set_weights([kernel, bias])
        return model

    return make


def different_slopes() -> Any:
    model = keras.Sequential([keras.Input((8, 8, 4)), layers.PReLU(name="p")])
    weight = model.layers[0].get_weights()[0]
    weight.flat[0] = 0.5
    model.layers[0].set_weights([weight])
    return model


def lambda_model() -> Any:
    return keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2, name="code")])


BAD_MODELS: dict[str, tuple[Make, str]] = {
    "missing": (lambda folder: folder / "no.keras", "cannot be read: No such file"),
    "text": (content("m.keras", b"hello"), "not a Keras model"),
    "empty": (content("m.h5", b""), "not a Keras model"),
    "tflite": (content("m.tflite", b"TFL3"), "not a TFLite model"),
    "onnx": (content("m.onnx", b"\x08\x08"), "not an ONNX model"),
    "cut archive": (content("m.keras", b"PK\x03\x04x"), "damaged .keras archive"),
    "other archive": (empty_zip, "its configuration cannot be read"),
    "broken configuration": (broken_config, "its configuration cannot be read"),
    "cut HDF5": (content("m.h5", b"\x89HDF\r\n\x1a\n"), "its configuration cannot be read"),
    "weights only": (weights_file, "holds weights but no model"),
    "folder": (plain_folder, "no SavedModel"),
    "exported": (exported, "holds functions but no Keras layers"),
    "code": (built(lambda_model), "code (Lambda): a Lambda layer holds code"),
    "code in HDF5": (legacy_lambda, "code (Lambda): a Lambda layer holds code"),
    "own class": (saved(lambda: OwnLayer(name="mine")), "mine (OwnLayer): a class of your own"),
    "shared": (built(shared), "twice (Dense): it is used more than once"),
    "two inputs": (built(two_inputs), "2 inputs and 1 outputs"),
    "two outputs": (built(two_outputs), "1 inputs and 2 outputs"),
    "initial state": (built(own_state), "an initial state of its own"),
    "different shapes": (built(different_shapes), "gate (Multiply): shapes"),
    "open size": (saved(layers.ReLU, shape=(None, 3)), "is not fixed"),
    "four axes": (saved(layers.ReLU, shape=(2, 2, 2, 2)), "one to three axes"),
    "nothing": (saved(lambda: layers.Dropout(0.5)), "no layer that computes anything"),
    "softmax": (saved(lambda: layers.Softmax(name="s")), "s (Softmax): softmax of shape"),
    "softmax axis": (
        saved(lambda: layers.Softmax(axis=1, name="s")),
        "s (Softmax): softmax of shape (8, 8, 4) over axis 1",
    ),
    "channels first": (
        saved(lambda: layers.MaxPooling2D(data_format="channels_first", name="p")),
        "p (MaxPooling2D): data_format",
    ),
    "slopes": (built(different_slopes), "p (PReLU): its alpha differs"),
    "slope": (saved(lambda: layers.LeakyReLU(1.5, name="l")), "negative slope 1.5"),
    "permute": (saved(lambda: layers.Permute((3, 1, 2), name="p")), "p (Permute): dims"),
    "activation": (saved(lambda: layers.Activation("elu", name="e")), "activation 'elu'"),
    "norm axis": (
        saved(lambda: layers.BatchNormalization(axis=1, name="b")),
        "b (BatchNormalization): axis 1",
    ),
    "group norm": (saved(lambda: layers.GroupNormalization(2, name="g")), "NNoM has no such layer"),
    "bilinear": (
        saved(lambda: layers.UpSampling2D(interpolation="bilinear", name="u")),
        "u (UpSampling2D): interpolation 'bilinear'",
    ),
    "long kernel": (
        saved(lambda: layers.Conv1D(1, 200, name="c"), shape=(300, 1)),
        "c (Conv1D): kernel, stride or dilation above 127",
    ),
    "GRU gates": (
        saved(lambda: layers.GRU(2, recurrent_activation="relu", name="r"), shape=(4, 3)),
        "r (GRU): activation 'tanh', recurrent_activation 'relu'",
    ),
    "simple RNN": (
        saved(lambda: layers.SimpleRNN(2, activation="relu", name="r"), shape=(4, 3)),
        "r (SimpleRNN): activation 'relu'",
    ),
    "NaN": (built(with_weights(float("nan"))), "layer c: kernel holds NaN or infinity"),
    "infinity": (built(with_weights(float("inf"))), "layer c: kernel holds NaN or infinity"),
    "overflow": (built(with_weights(3e38)), "overflows on the calibration data"),
}


def convert(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> str:
    """Run the command, which must fail, and return its message; nothing may be left behind."""
    before = sorted(folder.rglob("*"))
    code = run_app(["convert", *arguments, "--output", str(folder / "out" / "weights.h")])
    told = capsys.readouterr()
    assert code in {2, 3}
    assert sorted(folder.rglob("*")) == before
    assert "Traceback" not in told.err
    return told.err


def data_file(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_model(
    case: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "prepared").mkdir(parents=True)  # which stays
    make, message = BAD_MODELS[case]
    path = make(tmp_path)
    data = data_file(tmp_path, x=np.full((4, 8, 8, 4), 10.0, np.float32))
    told = convert(capsys, tmp_path, str(path), "--data", str(data))
    assert message in told
    assert str(path) in told or "layer" in told


GOOD = (8, 3)
BAD_DATA: dict[str, tuple[dict[str, Any], str]] = {
    "no x": ({"images": np.ones(GOOD)}, "no array 'x' or 'x_test'"),
    "empty": ({"x": np.ones((0, 3))}, "with n >= 1"),
    "wrong shape": ({"x": np.ones((8, 4))}, "has shape (8, 4); the model takes (n, 3)"),
    "one number": ({"x": np.float64(1)}, "has shape ()"),
    "text": ({"x": np.full(GOOD, "a")}, "numbers are needed"),
    "NaN": ({"x": np.full(GOOD, np.nan)}, "holds NaN or infinity: 24, the first at [0, 0]"),
    "infinity": ({"x": np.full(GOOD, np.inf)}, "holds NaN or infinity"),
    "few labels": ({"x": np.ones(GOOD), "y": np.zeros(3, int)}, "but there are 8 inputs"),
    "float labels": ({"x": np.ones(GOOD), "y": np.full(8, 0.5)}, "0.5 in row 0, which is no class"),
    "high label": ({"x": np.ones(GOOD), "y": np.full(8, 9)}, "label 9 is out of range"),
    "calibration": (
        {"x": np.ones(GOOD), "x_calib": np.ones((2, 5))},
        "array 'x_calib' has shape (2, 5)",
    ),
    "objects": ({"x": np.array([{}] * 8, object)}, "holds Python objects"),
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "prepared").mkdir(parents=True)  # which stays
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="d")])
    model.save(tmp_path / "m.keras")
    return str(tmp_path / "m.keras")


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(
    case: str, small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays, message = BAD_DATA[case]
    path = data_file(tmp_path, **arrays)
    told = convert(capsys, tmp_path, small, "--data", str(path))
    assert message in told
    assert str(path) in told


def test_missing_data_file(small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = convert(capsys, tmp_path, small, "--data", str(tmp_path / "no.npz"))
    assert "no.npz: cannot be read: No such file" in told
    assert "add --data FILE.npz" in convert(capsys, tmp_path, small)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "best"], "method 'best' is unknown; there are: max_min, kld, mse"),
        (["--api", "old"], "--api 'old' is unknown; there are: struct, layer"),
        (["--layout", "nchw"], "--layout 'nchw' is unknown; there are: hwc, chw"),
        (["--dense-order", "x"], "--dense-order 'x' is unknown"),
        (["--portable", "--layout", "chw"], "portable headers are channel-last"),
        (["--percentile", "10"], "percentile"),
        (["--method", "mxe"], "did you mean 'mse'?"),
        (["--dense-order", "plane"], "did you mean 'plain'?"),
        (["--api", "layer", "--per-channel"], "one weight format per layer"),
    ],
)
def test_bad_wish(
    arguments: list[str],
    message: str,
    small: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = data_file(tmp_path, x=np.ones(GOOD))
    (tmp_path / "cache").mkdir(exist_ok=True)
    code = run_app(
        ["convert", small, "--data", str(data), "-o", str(tmp_path / "out" / "w.h"), *arguments]
    )
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_written(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = data_file(tmp_path, x=np.ones(GOOD))
    (tmp_path / "file").write_text("")
    target = str(tmp_path / "file" / "weights.h")
    assert run_app(["convert", small, "--data", str(data), "-o", target]) == 3
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            lambda: layers.Conv1DTranspose(2, 3, name="t"),
            "t: NNoM's transposed convolution is none",
        ),
        (lambda: layers.GRU(2, reset_after=False, name="g"), "g: reset_after=False"),
        (lambda: layers.UpSampling1D(2, name="u"), "u: up-sampling by (1, 2)"),
        (
            lambda: layers.AveragePooling1D(3, 2, padding="same", name="a"),
            "a: strided SAME pooling",
        ),
    ],
)
def test_what_nnoms_own_library_cannot_do_is_listed(
    layer: Callable[[], Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    path = saved(layer, shape=(8, 3))(tmp_path)
    data = data_file(tmp_path, x=np.random.default_rng(0).normal(0, 1, (4, 8, 3)))
    target = tmp_path / "weights.h"
    assert run_app(["convert", str(path), "--data", str(data), "-o", str(target), "--portable"])
    assert message in capsys.readouterr().err
    assert not target.exists()
