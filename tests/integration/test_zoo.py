"""The bundled models: int8 answers as float does, on the reference and on an emulated core."""

import os
from pathlib import Path

import numpy as np
import pytest

from nnom_hil.boards import find_board
from nnom_hil.records import Verdict
from nnom_hil.run.bench import measure_conversion
from nnom_hil.run.plan import Observer
from nnom_hil.run.prepare import ConvertOptions
from nnom_hil.run.service import RunRequest, run_and_report
from nnom_hil.zoo.data import zoo_model, zoo_models

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
MOST_LOSS = 0.5  # points of accuracy


def test_best_method_loses_little_accuracy(cache: Path) -> None:
    models = ["digits", "gru", "lstm", "resnet", "separable"]
    assert sorted(zoo_models()) == models
    results = measure_conversion(models=models if NIGHTLY else ["digits", "gru"])
    for r in results:
        assert r.loss <= MOST_LOSS, r
        assert r.float_accuracy > 0.95, r
        assert min(r.int8.values()) > r.float_accuracy - 0.02, r


@pytest.mark.parametrize("name", [n for n in zoo_models() if n != "digits"])
def test_model_runs_on_an_emulated_core(name: str, tmp_path: Path, cache: Path) -> None:
    request = RunRequest(
        board=find_board("stm32f4"),
        model=zoo_model(name),
        limit=40,
        convert=ConvertOptions(method="mse", per_channel=True),
        runs=tmp_path,
    )
    outcome = run_and_report(request, Observer())
    record, error = outcome.record, outcome.error
    assert error is None
    assert record.verdict is Verdict.PASS, record.reasons


def test_stateful_network_begins_afresh_with_the_vectors(tmp_path: Path, cache: Path) -> None:
    """Timing runs come first, and leave a state."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4, 3), batch_size=1), layers.GRU(6, stateful=True), layers.Dense(3)]
    )
    model.save(tmp_path / "m.keras")
    x = np.random.default_rng(0).normal(0, 1, (30, 4, 3))
    np.savez(tmp_path / "data.npz", x=x)
    request = RunRequest(
        board=find_board("stm32f4"),
        model=tmp_path / "m.keras",
        data=tmp_path / "data.npz",
        runs=tmp_path / "runs",
    )
    outcome = run_and_report(request, Observer())
    record, error = outcome.record, outcome.error
    assert error is None
    assert record.outputs_equal
    assert record.verdict is Verdict.PASS, record.reasons
