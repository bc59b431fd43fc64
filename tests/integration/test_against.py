"""TensorFlow's own int8 conversion beside ours, the whole way, and a model that it cannot take."""

import json
from pathlib import Path

import numpy as np
import pytest

from nnom_hil.cli.app import run_app
from nnom_hil.zoo.data import load_bundled, zoo_model

N = 120


@pytest.mark.parametrize("name", ["separable", "lstm"])
def test_conversion_is_as_good_as_tensorflows(
    name: str, tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = load_bundled(zoo_model(name))
    assert data.y is not None
    calibration = data.x_calibration[::12]
    np.savez(tmp_path / "d.npz", x=data.x[:N], y=data.y[:N], x_calib=calibration)
    words = ["--model", name, "--data", str(tmp_path / "d.npz"), "--json"]
    assert run_app(["bench", "convert", "--against", "tflite", *words]) == 0
    printed = capfd.readouterr()
    for noise in ("TFLite", "TensorFlow Lite", "fully_quantize", "Saved artifact"):
        assert noise not in printed.err
    (row,) = json.loads(printed.out)
    ours, theirs = row["nnom_hil"], row["tflite"]
    assert (row["vectors"], row["why"]) == (N, None)
    assert ours["agreement"] >= theirs["agreement"] - 1.01 / N  # one vector is luck
    assert ours["sqnr_db"] >= theirs["sqnr_db"] - 1
    assert 0.97 < theirs["agreement"] <= 1  # it was asked rightly
    assert 20 < theirs["sqnr_db"] < 50
    assert min(row["float_accuracy"], ours["accuracy"], theirs["accuracy"]) > 0.9
    assert 0 < ours["size"] < theirs["size"]


def test_model_that_tflite_does_not_answer_says_so_and_the_table_goes_on(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A program that dies, as TFLite does on loops; ours are told all the same."""
    x = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x)
    import keras

    keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)]).save(tmp_path / "m.keras")
    words = ["--model", str(tmp_path / "m.keras"), "--data", str(tmp_path / "d.npz")]
    monkeypatch.setattr("nnom_hil.run.against._MODULE", "nnom_hil.no_such_module")
    assert run_app(["bench", "convert", "--against", "tflite", *words]) == 0
    row, why = capsys.readouterr().out.splitlines()[-2:]
    assert row.startswith("| m | 20 | – | – | – | – | – | ")
    assert why == "m: no TFLite int8: TensorFlow gave no answer: failed with exit code 1"
