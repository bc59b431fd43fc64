"""Damaged and hostile ONNX and TFLite files: one message, no crash, no hang, bounded memory."""

import importlib.util
import itertools
import os
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, load, save
from tests.support.imported import DATA, ONNX, made_onnx, read_here, vectors

from nnom_hil.errors import ModelError, ToolError
from nnom_hil.model.read import front_end, model_files, read_model
from nnom_hil.model.translation import limits, runtime

N = helper.make_node
NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
SMALL = DATA / "small.tflite"
GOOD = {p.suffix: p.read_bytes() for p in (ONNX / "skips_script.onnx", SMALL)}


def translated(content: bytes, suffix: str, folder: Path) -> None:
    """Read a file as far as its graph: there is one, or one message that names the file."""
    path = folder / f"m{suffix}"
    path.write_bytes(content)
    said = str(path)
    try:
        read_here(path)
    except ModelError as exc:
        said = str(exc)
    assert str(path) in said
    assert len(said) < 10_000


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@settings(max_examples=2000 if NIGHTLY else 60)
@given(data=st.data())
def test_flipped_bytes_give_a_graph_or_a_message(
    suffix: str, data: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    good = bytearray(GOOD[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at] = data.draw(st.integers(0, 255))
    translated(bytes(good), suffix, tmp_path_factory.mktemp("flipped"))


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_truncated_files_give_a_message(suffix: str, tmp_path: Path) -> None:
    good = GOOD[suffix]
    for length in range(0, len(good), max(1, len(good) // 60)):
        path = tmp_path / f"m{suffix}"
        path.write_bytes(good[:length])
        with pytest.raises(ModelError, match=r"m\.(onnx|tflite): "):
            read_here(path)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_random_bytes_give_a_message(suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    head = {".onnx": b"\x08\x08", ".tflite": b"\x1c\x00\x00\x00TFL3"}[suffix]
    for _ in range(40):
        translated(head + rng.bytes(int(rng.integers(0, 400))), suffix, tmp_path)


def test_files_are_taken_by_ending_or_beginning(tmp_path: Path) -> None:
    assert front_end(ONNX / "digits_script.onnx") == "ONNX"
    assert front_end(SMALL) == "TFLite"
    other = tmp_path / "model.lite"
    shutil.copy(SMALL, other)
    assert front_end(other) == "TFLite"
    assert front_end(tmp_path / "model.keras") == "Keras"
    (tmp_path / "t.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"t\.onnx: cannot be read as an ONNX model"):
        read_model(tmp_path / "t.onnx")


# ---- what is large -------------------------------------------------------------------------------


def test_very_many_parts_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    node = b"\x0a\x00"  # an empty operator: two bytes here, hundreds when it is parsed
    graph = node * 300_000
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x08\x3a" + _varint(len(graph)) + graph)
    with pytest.raises(ModelError, match="more than 200000 parts"):
        read_here(path)


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def test_files_are_not_read_beyond_a_size(tmp_path: Path) -> None:
    for name in ("m.onnx", "m.tflite"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(limits.MAX_TENSOR_FILE + 1)  # sparse: it takes no disk
        with pytest.raises(ModelError, match="none for a Cortex-M has"):
            read_here(tmp_path / name)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([N("ConstantOfShape", ["n"], ["c"]), N("Add", ["x", "c"], ["y"])],
         {"n": np.array([1 << 20, 1 << 20])}),
        ([N("Range", ["a", "b", "d"], ["c"]), N("Add", ["x", "c"], ["y"])],
         {"a": np.float32(0), "b": np.float32(1e30), "d": np.float32(1)}),
        ([N("Expand", ["a", "n"], ["c"]), N("Add", ["x", "c"], ["y"])],
         {"a": np.float32(1), "n": np.array([1 << 30])}),
        ([N("Mul", ["a", "b"], ["c"]), N("Add", ["x", "c"], ["y"])],
         {"a": np.ones((5000, 1), np.float32), "b": np.ones((1, 5000), np.float32)}),
        ([N("Concat", ["a"] * 2, ["c0"], axis=0),
          *(N("Concat", [f"c{i}"] * 2, [f"c{i + 1}"], axis=0) for i in range(40)),
          N("Add", ["x", "c40"], ["y"])], {"a": np.ones(1000, np.float32)}),
        ([N("Pad", ["x", "p"], ["y"])], {"p": np.array([0, 1 << 30, 0, 0])}),
        ([N("Conv", ["z", "w"], ["y"], group=1 << 14), N("Relu", ["x"], ["z"])],
         {"w": np.ones((1 << 14, 1, 1), np.float32)}),
    ],
    ids=["shape", "range", "expand", "product", "concat", "pad", "order"],
)  # fmt: skip
def test_what_grows_beyond_all_memory_is_refused(
    nodes: list[Any], weights: dict[str, Any], tmp_path: Path
) -> None:
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 4), weights=weights)
    with pytest.raises(ModelError, match="cannot be converted"):
        read_here(path)


def test_weights_that_many_layers_share_are_counted_for_each(tmp_path: Path) -> None:
    """A file holds them once; the graph, and a target, once for each layer."""
    names = ["x", *(f"t{i}" for i in range(80)), "y"]
    nodes = [N("MatMul", [a, "k"], [b]) for a, b in itertools.pairwise(names)]
    weights = {"k": np.zeros((1024, 1024), np.float32)}
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 1024), weights=weights)
    with pytest.raises(ModelError, match="weights in all"):
        read_here(path)


def test_cycles_and_double_results_are_refused(tmp_path: Path) -> None:
    cycle = [N("Add", ["x", "b"], ["a"]), N("Relu", ["a"], ["b"]), N("Relu", ["b"], ["y"])]
    with pytest.raises(ModelError, match="nothing before it gives"):
        read_here(made_onnx(tmp_path / "a.onnx", cycle, (1, 4)))
    double = [N("Relu", ["x"], ["y"]), N("Tanh", ["x"], ["y"])]
    with pytest.raises(ModelError, match="given twice"):
        read_here(made_onnx(tmp_path / "b.onnx", double, (1, 4)))


def test_weights_of_another_size_than_their_shape_are_refused(tmp_path: Path) -> None:
    path = made_onnx(tmp_path / "m.onnx", [N("MatMul", ["x", "k"], ["y"])], (1, 4),
                     weights={"k": np.ones((4, 3), np.float32)})  # fmt: skip
    proto = load(path)
    proto.graph.initializer[0].dims[1] = 1 << 40
    save(proto, path)
    with pytest.raises(ModelError, match=r"k \(weights\)"):
        read_here(path)


def test_weights_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    path = made_onnx(tmp_path / "m.onnx", [N("MatMul", ["x", "k"], ["y"])], (1, 4),
                     weights={"k": np.full((4, 3), np.nan, np.float32)})  # fmt: skip
    with pytest.raises(ModelError, match="layer y: kernel holds NaN or infinity"):
        read_here(path)


# ---- weights in other files ----------------------------------------------------------------------


def with_outside(folder: Path, location: str, **more: str) -> Path:
    """Write a model whose matrix is in another file."""
    folder.mkdir(exist_ok=True)
    kernel = np.arange(12, dtype=np.float32).reshape(4, 3)
    path = made_onnx(folder / "m.onnx", [N("MatMul", ["x", "k"], ["y"])], (1, 4),
                     weights={"k": kernel})  # fmt: skip
    proto = load(path)
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(proto.SerializeToString())
    (folder / "m.data").write_bytes(kernel.tobytes())
    return path


def test_weights_beside_the_model_are_read_and_count_for_the_cache(tmp_path: Path) -> None:
    path = with_outside(tmp_path / "a", "m.data", offset="0", length="48")
    model = read_here(path)
    x = vectors(model)
    np.testing.assert_allclose(
        model.predict(x), x @ np.arange(12, dtype=np.float32).reshape(4, 3), rtol=1e-5
    )
    assert [file.name for file in model_files(path)] == ["m.onnx", "m.data"]
    assert model_files(ONNX / "mlp_script.onnx") == [ONNX / "mlp_script.onnx"]


@pytest.mark.parametrize("location", ["../m.data", "/etc/passwd", "", "link"])
def test_weights_outside_the_model_s_folder_are_not_read(location: str, tmp_path: Path) -> None:
    (tmp_path / "m.data").write_bytes(bytes(48))
    path = with_outside(tmp_path / "inner", location)
    (tmp_path / "inner" / "link").symlink_to("../m.data")
    for read in (read_here, model_files):
        with pytest.raises(ModelError, match="outside the model's folder; it is not read"):
            read(path)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"offset": "40"}, "beyond|weights"),
        ({"length": "1000"}, "beyond the end of m.data"),
        ({"offset": "-4"}, "beyond the end of m.data"),
        ({"offset": "nonsense"}, "cannot be read as an ONNX model"),
    ],
)
def test_places_that_are_not_in_the_other_file(
    more: dict[str, str], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=reason):
        read_here(with_outside(tmp_path / "a", "m.data", **more))


# ---- TFLite's offsets ----------------------------------------------------------------------------


def test_a_table_that_lies_elsewhere_gives_a_message(tmp_path: Path) -> None:
    good = GOOD[".tflite"]
    for at in range(0, min(len(good), 600), 4):
        for offset in (0xFFFFFFFF, 0x7FFFFFFF, len(good)):
            content = good[:at] + struct.pack("<I", offset) + good[at + 4 :]
            translated(content, ".tflite", tmp_path)


# ---- runtimes and packages -----------------------------------------------------------------------


def test_a_runtime_that_dies_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dying.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ModelError, match=r"m: its own runtime cannot run it .* damaged\?"):
        runtime.ask_runtime("dying", "m", b"", np.zeros((1, 2), np.float32), ["y"])


@pytest.mark.parametrize(
    ("model", "module", "command"),
    [
        (ONNX / "mlp_script.onnx", "onnxruntime", r"pip install 'nnom-hil\[onnx\]'"),
        (SMALL, "tflite", r"pip install 'nnom-hil\[tflite\]'"),
    ],
    ids=["onnx", "tflite"],
)
def test_a_missing_package_is_named_with_its_command(
    model: Path, module: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    said = f"needs {module}, which cannot be found; try: {command}"
    with pytest.raises(ToolError, match=said):
        read_model(model)
    if module == "onnxruntime":  # and before the cache is asked
        with pytest.raises(ToolError, match=said):
            model_files(with_outside(tmp_path / "a", "m.data"))


@pytest.mark.parametrize("model", [ONNX / "mlp_script.onnx", SMALL], ids=["onnx", "tflite"])
def test_the_runtime_s_own_process_gives_what_it_gives_here(model: Path) -> None:
    ours, here = read_model(model), read_here(model)
    x = vectors(here, 3)
    np.testing.assert_array_equal(ours.predict(x), here.predict(x))
    ours.check(x)
