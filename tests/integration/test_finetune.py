"""nnom-hil finetune, as users type it: a tiny network; the bundled ones and ResNet-8 at night."""

import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnom_hil.cli.app import run_app
from nnom_hil.model.kept_formats import MEMBER
from nnom_hil.model.qgraph import QGraph
from nnom_hil.records import TunedScore
from nnom_hil.run import finetune
from nnom_hil.run.prepare import ConvertOptions, prepare
from nnom_hil.zoo.data import zoo_models

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
# of MLPerf Tiny, and not committed: shared data beside the tree, where there are some
SHARED = Path(__file__).parents[3] / "shared" / "data"
RESNET = SHARED / "mlperf_tiny" / "pretrainedResnet.h5"
COARSE = ("--method", "max_min", "--no-per-channel")
QUICK = ("--epochs", "2", "--seeds", "2", "--batch", "16", "--learning-rate", "0.002")
nightly = pytest.mark.skipif(not NIGHTLY, reason="slow: NNOM_HIL_NIGHTLY=1 (make nightly)")

Shared = tuple[Path, Path]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Shared:
    """A network that its conversion does some harm to, and vectors of which the last are apart."""
    import keras

    folder = tmp_path_factory.mktemp("net")
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(8, activation="relu", name="hidden"),
            layers.Dense(4, activation="softmax", name="classes"),
        ]
    )
    model.layers[0].set_weights(
        [model.layers[0].get_weights()[0], np.array([0, 3, 0, -1], np.float32)]
    )
    file = folder / "net.keras"
    model.save(file)
    rng = np.random.default_rng(0)
    x, test = (rng.normal(size=(n, 6, 6, 1)).astype(np.float32) for n in (160, 40))
    labels = np.asarray(model(test)).argmax(axis=1)
    data = folder / "net.npz"
    np.savez(data, x=test, y=labels, x_calib=x)
    return file, data


@pytest.fixture(scope="module")
def tuned(net: Shared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network fine-tuned for a coarse conversion, which leaves room for something better."""
    file = tmp_path_factory.mktemp("tuned") / "tuned.keras"
    assert tune(net, file, *COARSE, *QUICK) == 0
    return file


def tune(net: Shared, output: Path, *more: str) -> int:
    return run_app(["finetune", str(net[0]), "--data", str(net[1]), "-o", str(output), *more])


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed to standard error, in one line."""
    return " ".join(capsys.readouterr().err.split())


def test_what_is_best_on_held_out_vectors_is_written(
    net: Shared, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never worse than the start, and the same bytes for the same seeds."""
    again = tmp_path / "again.keras"
    assert tune(net, again, *COARSE, *QUICK, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == "nnom-hil/finetune/1"
    assert (record["trained"], record["held"], record["tested"]) == (120, 40, 40)
    assert [len(seed["epochs"]) for seed in record["seeds"]] == [2, 2]

    def key(score: dict[str, Any]) -> tuple[float, float]:
        return score["agreement"], score["sqnr_db"]

    every = [e["held"] for seed in record["seeds"] for e in seed["epochs"]] + [record["start"]]
    assert key(record["best"]) == max(key(score) for score in every) > key(record["start"])
    assert record["test_best"]["float_accuracy"] == 1.0
    assert again.read_bytes() == tuned.read_bytes()


def test_the_file_is_converted_by_its_own_formats(
    net: Shared, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = tmp_path / "weights.h"
    command = ["convert", str(tuned), "--data", str(net[1]), "-o", str(header), "--json"]
    assert run_app(command) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["notes"] == ["formats are those that the model was fine-tuned for"]
    own = finetune_hash(net, tuned, capsys)
    assert record["model_hash"] == own
    assert record["layers"][-1]["sqnr_db"] > 10
    assert run_app([*command, *COARSE]) == 0  # the same, said
    assert json.loads(capsys.readouterr().out)["model_hash"] == own
    assert run_app([*command, "--method", "kld"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["notes"] == [
        "the model was fine-tuned for other options than method kld, per_channel True; formats are "
        "chosen anew"
    ]
    assert record["model_hash"] != own


def finetune_hash(net: Shared, tuned: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the record of the training called the graph."""
    del capsys
    return prepare(tuned, net[1], options=ConvertOptions()).graph.content_hash


def test_weights_that_changed_since_are_converted_anew(
    net: Shared, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    model = keras.saving.load_model(tuned)
    layer = model.get_layer("hidden")
    layer.set_weights([weights * 1.1 for weights in layer.get_weights()])
    file = tmp_path / "later.keras"
    model.save(file)
    with zipfile.ZipFile(tuned) as archive, zipfile.ZipFile(file, "a") as later:
        later.writestr(MEMBER, archive.read(MEMBER))
    command = ["convert", str(file), "--data", str(net[1]), "-o", str(tmp_path / "w.h"), "--json"]
    assert run_app(command) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == [
        "the formats in the file are not for its weights, which have changed since; formats are "
        "chosen anew"
    ]


def test_a_fine_tuned_model_is_not_fine_tuned_again(
    net: Shared, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune((tuned, net[1]), tmp_path / "more.keras") == 2
    assert "it was fine-tuned already" in told(capsys)


def test_nothing_better_is_told_and_nothing_written(
    net: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rate that changes no code; the start is written on request, and converts to itself."""
    file = tmp_path / "same.keras"
    still = ("--epochs", "1", "--seeds", "1", "--learning-rate", "1e-9")
    assert tune(net, file, *still) == 1
    assert "nothing is written" in capsys.readouterr().out
    assert not file.exists()
    assert tune(net, file, *still, "--write-start") == 0
    out = capsys.readouterr().out
    assert "no epoch was better than the start, which is written" in out
    assert f"next: nnom-hil run --model {file}" in out.replace("'", "")
    assert file.exists()


def test_the_same_answers_need_clearly_less_error() -> None:
    """A hundredth of a decibel is chance, and no reason for another model."""
    start = TunedScore(agreement=0.9, sqnr_db=20.0)
    for agreement, sqnr_db, better in (
        (0.91, 10.0, True), (0.89, 30.0, False), (0.9, 20.4, False), (0.9, 20.6, True),
    ):  # fmt: skip
        score = TunedScore(agreement=agreement, sqnr_db=sqnr_db)
        assert finetune._is_better(score, start) is better
    plain = TunedScore(agreement=None, sqnr_db=20.0)
    assert finetune._is_better(TunedScore(agreement=None, sqnr_db=21.0), plain)


def test_an_interruption_keeps_the_best_so_far(
    net: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nnom_hil.cli.progress import FineTuneProgress

    def interrupt(self: FineTuneProgress, seed: int, epoch: Any, best: Any) -> None:
        if seed == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(FineTuneProgress, "epoch", interrupt)
    file = tmp_path / "part.keras"
    assert tune(net, file, *COARSE, *QUICK) == 130
    assert "interrupted; the best so far is kept" in capsys.readouterr().out
    assert file.exists()


def test_a_loss_that_is_no_number_ends_its_seed(
    net: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nnom_hil.train import distil

    def losses(*_: Any) -> Iterator[float]:
        yield float("nan")

    monkeypatch.setattr(distil, "losses", losses)
    assert tune(net, tmp_path / "none.keras", "--seeds", "1") == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "seed 0 ended in epoch 1, where its loss was nan; try --learning-rate" in out


def test_too_little_data_is_told(
    net: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.npz"
    np.savez(few, x=np.zeros((40, 6, 6, 1), np.float32))
    assert tune((net[0], few), tmp_path / "o.keras") == 2
    assert "few.npz: 30 vectors to train with are too few; at least 32" in told(capsys)
    assert tune(net, tmp_path / "o.keras", "--held-out", "0.05") == 2
    assert "8 vectors to decide by are too few; at least 16" in told(capsys)
    assert tune(net, tmp_path / "o.keras", "--held-data", str(few), *QUICK, "--epochs", "1") in {
        0,
        1,
    }
    assert "160 vectors, 40 held out" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_told_before_training(
    net: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(net, tmp_path / "net.h5") == 2
    assert "a Keras file is written; end it in .keras" in told(capsys)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.keras").mkdir()
    for place in (tmp_path / "file" / "net.keras", tmp_path / "folder.keras"):
        assert tune(net, place) == 3
        assert "cannot be written" in told(capsys)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.keras"]


def test_a_model_without_weights_has_nothing_to_train(
    net: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    file = tmp_path / "pool.keras"
    layers = [keras.Input((6, 6, 1)), keras.layers.MaxPooling2D(2), keras.layers.ReLU()]
    keras.Sequential(layers).save(file)
    assert tune((file, net[1]), tmp_path / "o.keras") == 2
    assert "no layer has weights, so there is nothing to train" in told(capsys)


def test_without_tensorflow_the_extra_is_named(
    net: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert tune(net, tmp_path / "o.keras") == 3
    assert "pip install 'nnom-hil[train]'" in told(capsys)


def test_a_file_that_converts_to_something_else_is_not_kept(
    net: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def others(graph: Any, quantised: QGraph, rescaled: Any) -> Any:
        return graph

    monkeypatch.setattr(finetune, "with_weights_of", others)
    file = tmp_path / "o.keras"
    assert tune(net, file, *QUICK, "--seeds", "1", "--write-start") != 0
    assert "not on the grid" in told(capsys)
    assert not file.exists()


# ---- the bars, at night --------------------------------------------------------------------------


def bar(model: str, output: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """The record of three seeds, of which none is below the start on held-out vectors."""
    capsys.readouterr()
    code = run_app(["finetune", model, "-o", str(output), "--write-start", "--json", *more])
    assert code == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert len(record["seeds"]) == 3
    for seed in record["seeds"]:
        assert seed["best"]["agreement"] >= record["start"]["agreement"]
    return record


@nightly
@pytest.mark.parametrize("name", zoo_models())
def test_bundled_models_are_never_below_their_start(
    name: str, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """fine_tune() reads what it writes, and keeps it only where it converts to what was trained."""
    del cache
    file = tmp_path / "tuned.keras"
    bar(name, file, capsys, "--epochs", "4")
    data = tmp_path / "x.npz"
    shape = (8, 8) if name in {"gru", "lstm"} else (28, 28, 1)
    np.savez(data, x=np.random.default_rng(0).uniform(size=(8, *shape)).astype(np.float32))
    assert prepare(file, data).notes == ("formats are those that the model was fine-tuned for",)


@nightly
@pytest.mark.skipif(not RESNET.exists(), reason=f"{RESNET} is not here")
def test_resnet_8_agrees_with_float_for_nine_of_ten(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of three seeds, on crops of areas that no other crop is of."""
    from tests.support.crops import crops

    del cache
    sets = crops()
    data, held = tmp_path / "crops.npz", tmp_path / "held.npz"
    np.savez(data, x=sets.test, x_calib=sets.train)
    np.savez(held, x=sets.held)
    record = bar(
        str(RESNET), tmp_path / "tuned.keras", capsys, "--data", str(data), "--held-data", str(held)
    )
    found = [seed["best"]["agreement"] for seed in record["seeds"]]
    assert min(found) >= 0.90, found
    assert record["test_best"]["agreement"] >= record["test_start"]["agreement"]
