"""The base installation: what is bundled needs no framework, what is missing is named."""

import importlib.util
import re
import sys
import tomllib
from dataclasses import replace
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import pytest
from tests.support.zoo import digit_arrays, stored_model

from nnom_hil.boards import find_board
from nnom_hil.build import Library, image
from nnom_hil.build.image import Recipe
from nnom_hil.cli.app import run_app
from nnom_hil.codegen.firmware import FirmwareSettings
from nnom_hil.errors import ModelError, ToolError
from nnom_hil.extras import EXTRAS, need
from nnom_hil.model.stored import read_stored, write_stored
from nnom_hil.run.source import source_of
from nnom_hil.zoo.data import load_bundled, stored_graph, zoo_model, zoo_models

ROOT = Path(__file__).parents[2]


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let modules be as if they were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name.split(".")[0] in names else find(name, *more),
    )
    for name in [name for name in sys.modules if name.split(".")[0] in names]:
        monkeypatch.setitem(sys.modules, name, None)


def test_every_extra_of_the_code_is_one_of_the_package() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = table["optional-dependencies"]
    assert set(EXTRAS) <= set(extras)
    everything = set(re.findall(r"[a-z]+", extras["all"][0].partition("[")[2]))
    # labgrid brings a pyserial of its own, in the folder of ours: only who asks for it gets it
    assert everything == set(extras) - {"all", "dev", "docs", "labgrid", "mutation"}
    base = {re.split(r"[<>=]", line)[0] for line in table["dependencies"]}
    heavy = {"tensorflow", "tf-keras", "pyocd", "robotframework", "scikit-learn", "h5py", "cmake"}
    assert not base & heavy
    assert requires("nnom-hil") is not None


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_extra_is_named_with_its_command(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, *EXTRAS[extra])
    with pytest.raises(
        ToolError, match=rf"^this needs .*; try: pip install 'nnom-hil\[{extra}\]'$"
    ):
        need(extra, "this")


def test_a_keras_model_without_tensorflow_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = tmp_path / "my.keras", tmp_path / "v.npz"
    model.write_bytes(zoo_model("gru").read_bytes() + b"\0")  # no copy of it
    np.savez(data, x=np.zeros((2, 8, 8), np.float32))
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    without(monkeypatch, "tensorflow")
    words = ["--model", str(model), "--data", str(data), "--board", "native"]
    assert run_app(["run", *words, "--out", str(tmp_path / "runs")]) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        f"nnom-hil: {model}: reading a Keras model needs TensorFlow, which cannot be found; try: "
        "pip install 'nnom-hil[convert]'"
    )
    assert not (tmp_path / "runs").exists()


def test_probes_without_pyocd_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "pyocd")
    assert run_app(["boards", "scan"]) == 3
    assert "pip install 'nnom-hil[probe]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", zoo_models())
def test_bundled_graphs_are_what_keras_reads(name: str) -> None:
    stored, read = read_stored(stored_graph(zoo_model(name))), stored_model(zoo_model(name))
    assert write_stored(replace(read, libraries=stored.libraries)) == write_stored(stored)


def test_bundled_digits_are_scikit_learn_s() -> None:
    with np.load(ROOT / "harness" / "nnom_hil" / "zoo" / "digits.npz") as npz:
        ours = {name: npz[name] for name in npz.files}
    theirs = digit_arrays()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_what_a_bundled_model_gives_is_what_keras_gives() -> None:
    from nnom_hil.model.keras_import import read_keras

    model = zoo_model("digits")
    x = load_bundled(model).x[:64]
    np.testing.assert_allclose(source_of(model).predict(x), read_keras(model).predict(x), atol=2e-6)


def test_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    whole = stored_graph(zoo_model("gru")).read_bytes()
    for data in (whole[:-40], b"", b"PK", whole.replace(b"document", b"dokument")):
        (tmp_path / "g.npz").write_bytes(data)
        with pytest.raises(ModelError, match="not a stored float graph"):
            read_stored(tmp_path / "g.npz")


def test_a_build_without_cmake_says_so_and_is_its_own_cause_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain of causes without an end made Robot Framework give up."""
    settings = FirmwareSettings(input_bytes=4, model_hash="0")
    recipe = Recipe.of(find_board("native"), settings, Library())

    def missing(*_: object, **__: object) -> str:
        raise ToolError("cmake: program not found; try: ...")

    monkeypatch.setattr(image, "run_tool", missing)
    with pytest.raises(ToolError, match="cmake: program not found") as told:
        image.run_cmake(tmp_path, tmp_path / "build", [], recipe)
    assert told.value.__cause__ is not told.value
