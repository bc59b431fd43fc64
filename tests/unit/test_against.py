"""Figures beside TFLite's: the arithmetic, what is missing, and what the table says."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from nnom_hil.cli.app import run_app
from nnom_hil.errors import ToolError
from nnom_hil.model.keras_import.tflite import evenly, interpreter_of
from nnom_hil.model.quantise import decibels
from nnom_hil.records import Task
from nnom_hil.run import against
from nnom_hil.run.against import Comparison, Figures, figures
from nnom_hil.run.judge import Answers
from nnom_hil.run.task import Head, Output, Truth

# codes with a zero point of -128 and a scale of 1/256, as TFLite has them behind a softmax
FLOAT = np.array([[0.5, 0.25], [0.25, 0.5], [0.75, 0.25]], np.float32)
CODES = np.array([[0, -64], [-64, 0], [-96, 64]], np.int8)
ANSWERS = Answers(int8=CODES, keras=FLOAT, scale=1 / 256, zero=-128)


def test_numbers_of_codes_with_a_zero_point() -> None:
    assert ANSWERS.numbers.tolist() == [[0.5, 0.25], [0.25, 0.5], [0.125, 0.75]]


def test_figures_of_a_classification() -> None:
    truth = Truth(task=Task.CLASSIFICATION, labels=np.array([0, 0, 1]))
    found = figures(Output(shape=(2,), head=Head.SOFTMAX), truth, ANSWERS, 77)
    # two of three as float has it; the first and the last are right; power 1.25 over 0.640625
    assert found.agreement == pytest.approx(2 / 3)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.sqnr_db == pytest.approx(10 * np.log10(1.25 / 0.640625))
    assert found.size == 77


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.RECONSTRUCTION, Task.NONE])
def test_what_chooses_no_class_has_neither_agreement_nor_accuracy(task: Task) -> None:
    truth = Truth(task=task, labels=None if task is Task.NONE else FLOAT.astype(np.float64))
    found = figures(Output(shape=(2,), head=Head.LINEAR), truth, ANSWERS, 0)
    assert found.agreement is None
    assert found.accuracy is None
    assert found.sqnr_db == pytest.approx(10 * np.log10(1.25 / 0.640625))


def test_binary_answers_are_compared_at_their_threshold() -> None:
    """Raw codes would be all below one half."""
    codes = np.array([[0], [-1], [127]], np.int8)
    keras = np.array([[0.6], [0.6], [0.4]], np.float32)
    answers = Answers(int8=codes, keras=keras, scale=1 / 256, zero=-128)
    truth = Truth(task=Task.BINARY, labels=np.array([1, 0, 1]))
    found = figures(Output(shape=(1,), head=Head.SIGMOID), truth, answers, 0)
    assert found.agreement == pytest.approx(1 / 3)
    assert found.accuracy == 1.0


def test_decibels_at_their_ends() -> None:
    one = np.ones((2, 2), np.float32)
    assert decibels(one, 0.9 * one.astype(np.float64)) == pytest.approx(20.0, abs=1e-6)
    assert decibels(one, one) == 100.0
    assert decibels(0 * one, one) is None


def test_calibration_is_spread_over_the_whole_file() -> None:
    x = np.arange(1000, dtype=np.float32)[:, np.newaxis]
    some = evenly(x, 500)
    assert some.shape == (500, 1)
    assert (some[0, 0], some[-1, 0]) == (0, 999)
    assert np.diff(some[:, 0]).max() <= 3
    np.testing.assert_array_equal(evenly(x[:3], 500), x[:3])


def test_tensorflow_without_tflite_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SimpleNamespace(TFLiteConverter=object, Interpreter=int)
    assert interpreter_of(SimpleNamespace(__version__="2.21.0", lite=own)) is int
    with pytest.raises(ToolError, match=r"TensorFlow 9\.0 has no tf\.lite\.TFLiteConverter.*pip"):
        interpreter_of(SimpleNamespace(__version__="9.0"))
    newer = SimpleNamespace(__version__="9.0", lite=SimpleNamespace(TFLiteConverter=object))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ToolError, match="pip install ai-edge-litert"):
        interpreter_of(newer)
    other = ModuleType("ai_edge_litert.interpreter")
    other.Interpreter = float  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert", ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", other)
    assert interpreter_of(newer) is float


def comparison(name: str, tflite: Figures | None, why: str | None) -> Comparison:
    return Comparison(
        model=name,
        task=Task.NONE,
        vectors=9,
        float_accuracy=None,
        way="mse",
        nnom_hil=Figures(agreement=None, accuracy=None, sqnr_db=31.25, size=5),
        tflite=tflite,
        why=why,
        version=None if tflite is None else "2.21.0",
    )


def test_table_leaves_out_what_there_is_not_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = Figures(agreement=0.5, accuracy=None, sqnr_db=None, size=70)
    rows = [comparison("a", theirs, None), comparison("b", None, "no such operation")]
    monkeypatch.setattr(against, "measure_against", lambda *_: rows)
    assert run_app(["bench", "convert", "--against", "tflite"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "nnom-hil: mse; TFLite: int8, TensorFlow 2.21.0"
    assert lines[3] == "| a | 9 | – | – | 50.00 % | – | – | 31.2 dB | – | 5 | 70 |"
    assert lines[4] == "| b | 9 | – | – | – | – | – | 31.2 dB | – | 5 | – |"
    assert lines[5:] == ["b: no TFLite int8: no such operation"]
    assert len({line.count("|") for line in lines[1:5]}) == 1


def test_rival_that_is_none_and_data_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["bench", "convert", "--against", "tvm"]) == 2
    assert "--against 'tvm' is unknown; there are: tflite" in capsys.readouterr().err
    nowhere = str(tmp_path / "d.npz")
    assert run_app(["bench", "convert", "--against", "tflite", "-m", "gru", "-d", nowhere]) == 2
    assert "d.npz: cannot be read" in capsys.readouterr().err
