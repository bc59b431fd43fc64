"""Every task, number of outputs and form of header, the whole way, as a process of this machine."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nnom_hil.cli.app import run_app
from nnom_hil.errors import DataError, HilError, UsageError
from nnom_hil.model.reference import run_reference
from nnom_hil.records import RunRecord, Task, Verdict
from nnom_hil.report.html import render_html
from nnom_hil.robot.library import NnomHil
from nnom_hil.run.options import checked, request_of
from nnom_hil.run.runner import Run
from nnom_hil.run.service import open_run
from nnom_hil.run.ways import every_way, measure_ways

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
layers = keras.layers
N = 24
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 6)).astype(np.float32)
FEW = (1, 2, 3, 5, 101)
OUTPUTS = (*range(1, 21), 100, 101, 1000) if NIGHTLY else FEW


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, str], Path]:
    folder = tmp_path_factory.mktemp("models")

    def make(outputs: int, activation: str) -> Path:
        path = folder / f"{activation}{outputs}.keras"
        if not path.exists():
            keras.utils.set_random_seed(outputs)
            dense = layers.Dense(outputs, activation=activation, bias_initializer="normal")
            keras.Sequential([keras.Input((6,)), dense]).save(path)
        return path

    return make


Opener = Callable[..., Run]
Model = Callable[[int, str], Path]


@pytest.fixture
def opened(tmp_path: Path, model: Model) -> Opener:
    def open_(outputs: int, activation: str, y: Any, **wishes: Any) -> Run:
        arrays = {"x": X} if y is None else {"x": X, "y": y}
        np.savez(tmp_path / "d.npz", **arrays)
        wishes = {"repeats": 1, "warm_up": 0, "board": "native", "runs": tmp_path / "r"} | wishes
        path = model(outputs, activation)
        return open_run(request_of(checked(wishes | {"model": path, "data": tmp_path / "d.npz"})))

    return open_


def classes(outputs: int) -> Any:
    return np.random.default_rng(outputs).integers(0, max(outputs, 2), N)


def forms_of(outputs: int) -> dict[str, Any]:
    y, many = classes(outputs), max(outputs, 2)
    hot = np.eye(many)[y]
    return {
        "int": y, "float (n, 1)": y[:, np.newaxis].astype("f4"), "uint64": y.astype("u8"),
        "one-hot": hot, "bool one-hot": hot.astype(bool), "none": None,
    }  # fmt: skip


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_no_number_of_outputs_fails_falsely(outputs: int, opened: Opener) -> None:
    activation = "sigmoid" if outputs == 1 else "softmax"
    forms = forms_of(outputs)
    if not NIGHTLY and outputs != 3:  # forms have tests of their own
        forms = {name: forms[name] for name in ("float (n, 1)", "none")}
    for form, y in forms.items():
        record = opened(outputs, activation, y).execute()
        assert record.verdict is Verdict.PASS, (form, record.reasons)
        wanted = Task.BINARY if outputs == 1 else Task.CLASSIFICATION
        assert record.task is (Task.NONE if y is None else wanted)
        assert (record.accuracy is None) == (y is None)
        printed = [check.what for check in record.cross_checks if "prediction" in check.what]
        counted = 0 if y is None or outputs > 100 else 1 if outputs == 1 else 3
        assert len(printed) == counted
        assert record.agreement is not None
        assert len(render_html(record)) < 200_000


@pytest.mark.parametrize("outputs", [1, 2, 3, 20])
def test_one_wrong_byte_fails(outputs: int, opened: Opener) -> None:
    run = opened(outputs, "sigmoid" if outputs == 1 else "softmax", classes(outputs))
    for step in (run.prepare, run.build, run.start, run.time_layers, run.stream):
        step()
    answer = bytearray(run.found.outputs[7])
    answer[-1] ^= 1
    run.found.outputs[7] = bytes(answer)
    record = run.finish()
    assert record.verdict is Verdict.FAIL
    assert record.outputs_different == 1
    assert record.first_difference is not None
    assert record.first_difference.vector == 7


def test_an_answer_that_never_came_fails(opened: Opener) -> None:
    run = opened(3, "softmax", None)
    for step in (run.prepare, run.build, run.start, run.time_layers, run.stream):
        step()
    del run.found.outputs[7]
    record = run.finish()
    assert record.verdict is Verdict.FAIL
    assert record.reasons == (f"1 of {N} vectors were not answered",)


@pytest.mark.parametrize("printed", ["Top 2 Accuracy: ", "   1 |", "Test frames: "])
def test_one_wrong_printed_number_fails(printed: str, opened: Opener) -> None:
    run = opened(3, "softmax", classes(3))
    for step in (run.prepare, run.build, run.start, run.time_layers, run.stream):
        step()
    (share,) = run.found.shares
    before, found, rest = share.summary.rpartition(printed)
    assert found
    digit = next(i for i, c in enumerate(rest) if c.isdigit())
    wrong = rest[:digit] + str((int(rest[digit]) + 1) % 10) + rest[digit + 1 :]
    share.summary = before + found + wrong
    record = run.finish()
    assert record.outputs_equal
    assert record.verdict is Verdict.FAIL
    assert len(record.reasons) == 1
    assert "prediction_summary" in record.reasons[0]


SEVERAL = RNG.integers(0, 2, (N, 3))
TARGETS = RNG.normal(size=(N, 3))
TASKS: dict[str, tuple[int, str, Any, Task]] = {
    "several labels": (3, "sigmoid", SEVERAL.astype("f4"), Task.MULTI_LABEL),
    "several of logits": (3, "linear", SEVERAL, Task.MULTI_LABEL),
    "logits": (3, "linear", classes(3), Task.CLASSIFICATION),
    "hinge": (1, "tanh", 2 * classes(1) - 1, Task.BINARY),
    "regression": (3, "linear", TARGETS, Task.REGRESSION),
    "one number": (1, "linear", TARGETS[:, 0], Task.REGRESSION),
    "reconstruction": (6, "linear", X, Task.RECONSTRUCTION),
}


@pytest.mark.parametrize("case", TASKS)
def test_what_is_judged_is_told(case: str, opened: Opener) -> None:
    outputs, activation, y, task = TASKS[case]
    run = opened(outputs, activation, y)
    record = run.execute()
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.task is task
    assert (record.accuracy is not None) == task.has_accuracy
    assert (record.regression is not None) == task.has_error
    assert (record.multi_label is not None) == (task is Task.MULTI_LABEL)
    assert (record.against_float is not None) == task.has_error
    again = RunRecord.model_validate_json((run.folder.path / "run.json").read_bytes())
    assert again == record
    page = render_html(record)
    assert task.words in page
    assert ("Mean absolute error" in page) == task.has_error
    if record.regression is not None:
        numbers = (
            np.array([np.frombuffer(o, np.int8) for _, o in sorted(run.found.outputs.items())])
            * 2.0**-run.plan.prepared.graph.output.dec
        )
        mae = float(np.abs(numbers - y.reshape(numbers.shape)).mean())
        assert record.regression.target.mae == pytest.approx(mae)


def test_bars_are_held_by_the_tasks_that_have_them(opened: Opener) -> None:
    assert opened(1, "linear", TARGETS[:, 0], max_error=100.0).execute().verdict is Verdict.PASS
    record = opened(1, "linear", TARGETS[:, 0], max_error=0.001).execute()
    assert record.verdict is Verdict.FAIL
    assert "mean absolute error" in record.reasons[0]
    record = opened(3, "sigmoid", SEVERAL, min_accuracy=1.0).execute()
    assert record.verdict is Verdict.FAIL
    assert "label accuracy" in record.reasons[0]


@pytest.mark.parametrize(
    ("case", "wishes", "message"),
    [
        ("regression", {"min_accuracy": 0.5}, "judged as regression, which has no accuracy; use"),
        ("reconstruction", {"min_accuracy": 0.5}, "judged as reconstruction"),
        ("logits", {"max_error": 0.5}, "judged as classification, which has no error; use"),
        ("several labels", {"max_error": 0.5}, "judged as multi-label, which has no error"),
        ("none", {"max_error": 0.5}, "judged as no labels, which has no error; give targets"),
        ("none", {"min_accuracy": 0.5}, "which has no accuracy; give labels"),
        ("out of range", {}, "label 9 is out of range"),
        ("logits", {"backend": "qmu"}, "no back end 'qmu'; its file has native"),
        ("logits", {"probe": "1", "backend": "native"}, "a probe is no native"),
        ("logits", {"nnom": Path("/nowhere")}, "not an NNoM tree"),
        ("logits", {"portable": True, "layout": "chw"}, "portable headers are channel-last"),
        ("logits", {"compat": True, "layout": "chw"}, "--layout chw --compat"),
        ("logits", {"api": "layer", "per_channel": True}, "one weight format per layer"),
    ],
)
def test_what_cannot_be_is_refused_without_a_run_folder(
    case: str, wishes: dict[str, Any], message: str, opened: Opener, tmp_path: Path
) -> None:
    more: dict[str, tuple[int, str, Any]] = {
        "none": (3, "linear", None), "out of range": (3, "softmax", np.full(N, 9)),
    }  # fmt: skip
    outputs, activation, y = more[case] if case in more else TASKS[case][:3]
    with pytest.raises(UsageError) as caught:
        opened(outputs, activation, y, **wishes)
    assert message in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_both_doors_refuse_and_leave_no_folder(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=np.full(N, 0.5))
    np.savez(tmp_path / "good.npz", x=X)
    path, out = model(3, "softmax"), tmp_path / "r"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"model": path, "data": tmp_path / "d.npz"}, "which is no class"),
        ({"model": "digts"}, "did you mean 'digits'?"),
        ({"model": path, "data": tmp_path / "god.npz"}, "good.npz'?"),
        ({"model": path.with_name("softmax33.keras"), "data": tmp_path / "good.npz"}, "3.keras'?"),
        ({"model": path}, "add --data FILE.npz"),
        ({"board": "nativ"}, "did you mean 'native'?"),
        ({"method": "mxe"}, "did you mean 'mse'?"),
    ]
    for wishes, message in wrong:
        given = {"board": "native", **wishes}
        words = [str(w) for k, v in given.items() for w in (f"--{k}", v)]
        assert run_app(["run", "--out", str(out), *words]) == 2
        assert message in capsys.readouterr().err
        paths = {k: Path(v) if k == "model" else v for k, v in given.items()}
        with pytest.raises(HilError) as caught:
            NnomHil().open_run(**paths, runs=out)
        assert message in str(caught.value)
    assert not out.exists()


HEADERS: list[dict[str, Any]] = [
    {"layout": "chw", "dense_order": "plain"},
    {"api": "layer", "method": "mse"},
    {"portable": True, "compat": True, "per_channel": True},
]
MORE_HEADERS: list[dict[str, Any]] = [
    {"layout": "chw"}, {"dense_order": "plain"}, {"portable": True},
    {"api": "layer", "layout": "chw", "dense_order": "plain"}, {"api": "layer", "compat": True},
    {"method": "percentile", "percentile": 99.0}, {"dense_order": "plain", "compat": True},
]  # fmt: skip


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Branches that Keras lists side by side, merges of unlike formats, images as the output."""
    folder = tmp_path_factory.mktemp("branches")
    x = keras.Input((8, 8, 2))
    a, b = (layers.Conv2D(4, 3, padding="same")(x) for _ in range(2))
    a = layers.Conv2D(4, 3, padding="same", activation="tanh")(a)
    b = layers.Conv2D(4, 1, activation="relu")(b)
    y = layers.Conv2D(3, 1)(layers.AveragePooling2D(2)(layers.Add()([a, b])))
    keras.Model(x, layers.Add()([y, layers.Conv2D(3, 2, strides=2)(x)])).save(folder / "b.keras")
    np.savez(
        folder / "d.npz",
        x=RNG.normal(size=(8, 8, 8, 2)),
        y=RNG.integers(0, 3, (8, 4, 4)),
    )
    return folder / "b.keras", folder / "d.npz"


@pytest.mark.parametrize("options", [*HEADERS, *(MORE_HEADERS if NIGHTLY else [])], ids=str)
def test_every_form_of_header_gives_the_bytes_of_the_reference(
    options: dict[str, Any], branches: tuple[Path, Path], tmp_path: Path
) -> None:
    wishes = {"repeats": 1, "warm_up": 0, "board": "native", "runs": tmp_path}
    wishes |= {"model": branches[0], "data": branches[1]}
    record = open_run(request_of(checked(wishes | options))).execute()
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.outputs_equal
    assert record.task is Task.CLASSIFICATION  # one class for each place
    assert record.vectors == 8
    assert len(record.cross_checks) == 6


def test_header_of_convert_is_the_one_that_run_validates(
    branches: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", str(branches[1]), "--portable", "--method", "mse"]
    header = ["-o", str(tmp_path / "w.h")]
    assert run_app(["convert", str(branches[0]), *words, *header, "--json"]) == 0
    converted = json.loads(capsys.readouterr().out)
    run = ["run", "--board", "native", "--model", str(branches[0]), *words]
    assert run_app([*run, "--out", str(tmp_path / "r"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["model_hash"] == converted["model_hash"]
    names = [layer["name"] for layer in record["layers"]]
    assert names[:-1] == [layer["name"] for layer in converted["layers"]]
    assert converted["agreement"] is not None  # classes, one for each place


def test_the_reference_runs_once_for_the_same_model_and_data(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    y = (classes(4) + 1) % 4  # no other test has it
    assert opened(4, "softmax", y, limit=5).execute().vectors == 5
    counted = []
    whole = run_reference

    def count(*args: Any, **kwargs: Any) -> Any:
        counted.append(len(args[1]))
        return whole(*args, **kwargs)

    monkeypatch.setattr("nnom_hil.run.prepare.run_reference", count)
    assert opened(4, "softmax", y, limit=5).execute().outputs_equal
    assert counted == []
    assert opened(4, "softmax", y).execute().outputs_equal
    assert opened(4, "softmax", y, limit=9).execute().outputs_equal
    assert counted == [N]
    assert opened(4, "softmax", y, compat=True).execute().outputs_equal
    assert counted == [N, N]


def test_conversions_are_measured_by_what_is_judged(model: Model, tmp_path: Path) -> None:
    convert, header = (request := request_of({})).convert, request.header
    for y, activation, figure in (
        (classes(3), "softmax", "accuracy"),
        (TARGETS, "linear", "mae"),
        (None, "softmax", "agreement"),
        (None, "linear", "mae against float"),
    ):
        arrays = {"x": X} if y is None else {"x": X, "y": y}
        np.savez(tmp_path / "d.npz", **arrays)
        path = model(3, activation)
        result = measure_ways(path, tmp_path / "d.npz", every_way(convert)[:2], header)
        assert result.figure == figure
        assert len(result.int8) == 2
    with pytest.raises(DataError, match="test vectors are needed"):
        measure_ways(path, None, [convert], header)
