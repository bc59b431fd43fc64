"""ONNX models become the same float graph: PyTorch's, by both exporters, and odd corners."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from tests.support.headers import Library
from tests.support.imported import ONNX, check_bytes, check_floats, made_onnx, read_here, vectors

from nnom_hil.cli.app import run_app
from nnom_hil.errors import DataError, ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import Conv, Dense, GlobalPool, Padding, Pool, Rnn, ZeroPadding
from nnom_hil.zoo.files import load_vectors

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
FILES = sorted(ONNX.glob("*.onnx"))
BUILT = FILES if NIGHTLY else [ONNX / f"{n}.onnx" for n in ("residual_script", "both_dynamo")]
RNG = np.random.default_rng(7)
N = helper.make_node


def some(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_there_are_twenty_models_of_both_exporters() -> None:
    assert len(FILES) >= 20
    assert {f.stem.split("_")[1] for f in FILES} == {"script", "dynamo"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_models_of_pytorch_compute_what_onnxruntime_does(path: Path) -> None:
    model = read_here(path)
    check_floats(model, vectors(model, 32))


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.mark.parametrize("path", BUILT, ids=lambda p: p.stem)
def test_native_builds_give_the_reference_s_bytes(
    path: Path, library: Library, tmp_path: Path
) -> None:
    model = read_here(path)
    check_bytes(model, vectors(model, 24), library, tmp_path / "built")


# ---- layouts -------------------------------------------------------------------------------------


def test_data_is_taken_in_the_model_s_own_order_and_goes_in_channels_last(tmp_path: Path) -> None:
    nodes = [N("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), N("Relu", ["c"], ["y"])]
    model = read_here(
        made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 4, 5), weights={"w": some(3, 2, 3, 3)})
    )
    assert model.input_shape == (2, 4, 5)
    assert model.graph.input.shape == (4, 5, 2)
    assert model.output_shape == (4, 5, 3)
    own = some(6, 2, 4, 5)
    np.testing.assert_array_equal(model.placed(own), np.moveaxis(own, 1, -1))
    y = some(6, 3, 4, 5)  # labels of the output's shape follow it
    np.testing.assert_array_equal(model.labels(y), np.moveaxis(y, 1, -1))
    classes = np.arange(6)
    assert model.labels(classes) is classes


def test_data_in_the_other_order_is_told_with_both_shapes(tmp_path: Path) -> None:
    data = tmp_path / "d.npz"
    np.savez(data, x=np.zeros((5, 8, 9, 3)))
    with pytest.raises(DataError) as told:
        load_vectors(data, (3, 8, 9), channels_first=True)
    assert "has shape (5, 8, 9, 3); the model takes (n, 3, 8, 9)" in str(told.value)
    assert str(told.value).endswith("channels come first: numpy.moveaxis(x, -1, 1)")
    np.savez(data, x=np.zeros((5, 8, 9)))  # one channel may be left out
    assert load_vectors(data, (1, 8, 9), channels_first=True).x.shape == (5, 1, 8, 9)
    with pytest.raises(DataError):
        load_vectors(data, (1, 8, 9))


def test_a_header_says_in_which_order_firmware_feeds_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way of a user's, the runtime's process included."""
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    data, header = tmp_path / "d.npz", tmp_path / "w.h"
    np.savez(data, x=some(20, 12, 12), y=np.arange(20) % 10)
    model = ONNX / "digits_script.onnx"
    assert run_app(["convert", str(model), "--data", str(data), "-o", str(header)]) == 0
    assert "input on the target: (12, 12, 1), channels last" in header.read_text().splitlines()[0]
    assert "channels last" in capsys.readouterr().out


def test_a_dense_layer_behind_a_flatten_has_its_rows_in_the_graph_s_order(tmp_path: Path) -> None:
    nodes = [
        N("Conv", ["x", "w"], ["c"]),
        N("Flatten", ["c"], ["f"]),
        N("Gemm", ["f", "k", "b"], ["y"], transB=1, alpha=0.5, beta=2.0),
    ]
    weights = {"w": some(3, 2, 2, 2), "k": some(4, 3 * 3 * 4), "b": some(4)}
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, ("n", 2, 4, 5), weights=weights))
    x = vectors(model)
    check_floats(model, x)
    assert [type(n.op).__name__ for n in model.graph.nodes][-2:] == ["Flatten", "Dense"]


def test_transpositions_that_undo_each_other_cost_nothing(tmp_path: Path) -> None:
    """As tf2onnx writes a model of TensorFlow's, whose data is channels last already."""
    nodes = [
        N("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        N("Conv", ["t", "w"], ["c"]),
        N("Transpose", ["c"], ["u"], perm=[0, 2, 3, 1]),
        N("MatMul", ["u", "k"], ["m"]),
        N("Add", ["m", "b"], ["y"]),
    ]
    weights = {"w": some(3, 2, 3, 3), "k": some(3, 4), "b": some(4)}
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, (1, 6, 5, 2), weights=weights))
    assert model.input_shape == model.graph.input.shape == (6, 5, 2)
    check_floats(model, vectors(model))
    assert [type(n.op).__name__ for n in model.graph.nodes] == ["Input", "Conv", "Conv", "Affine"]


def test_an_output_flattened_channel_by_channel_is_refused(tmp_path: Path) -> None:
    nodes = [N("Conv", ["x", "w"], ["c"]), N("Flatten", ["c"], ["y"])]
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 4, 5), weights={"w": some(3, 2, 3, 3)})
    with pytest.raises(ModelError, match=r"y \(output\): .* leave out the reshape or flatten"):
        read_here(path)


def test_a_transposition_of_data_is_refused(tmp_path: Path) -> None:
    nodes = [
        N("Conv", ["x", "w"], ["c"]),
        N("Transpose", ["c"], ["t"], perm=[0, 1, 3, 2]),
        N("Conv", ["t", "v"], ["y"], name="second"),
    ]
    weights = {"w": some(2, 2, 1, 1), "v": some(2, 2, 1, 1)}
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 4, 5), weights=weights)
    with pytest.raises(ModelError, match=r"second \(Conv\): .* stands in another order"):
        read_here(path)


# ---- windows -------------------------------------------------------------------------------------

CONVOLUTIONS: list[dict[str, Any]] = [
    {"pads": [1, 1, 1, 1]},
    {"pads": [0, 1, 2, 0]},
    {"strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"strides": [2, 2], "pads": [0, 0, 1, 1]},
    {"strides": [3, 1], "dilations": [1, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"auto_pad": "VALID"},
    {"group": 2, "pads": [1, 0, 1, 0]},
    {"group": 4, "pads": [1, 1, 1, 1]},
]


@pytest.mark.parametrize("how", CONVOLUTIONS, ids=str)
def test_convolutions_of_every_padding(how: dict[str, Any], tmp_path: Path) -> None:
    weights = {"w": some(8, 4 // how.get("group", 1), 3, 3), "b": some(8)}
    nodes = [N("Conv", ["x", "w", "b"], ["y"], **how)]
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, (1, 4, 9, 10), weights=weights))
    check_floats(model, vectors(model, 4))
    convs = [n.op for n in model.graph.nodes if isinstance(n.op, Conv)]
    assert [c.depthwise for c in convs] == [how.get("group") == 4]


@pytest.mark.parametrize(
    ("pads", "stride", "expected"),
    [
        ([1, 1, 1, 1], 1, Padding.SAME),
        ([0, 0, 1, 1], 2, Padding.SAME),  # as TensorFlow pads an even length
        ([1, 1, 1, 1], 2, Padding.VALID),  # as PyTorch does: zeros of their own
        ([0, 0, 0, 0], 2, Padding.VALID),
    ],
)
def test_padding_is_same_where_it_equals_keras(
    pads: list[int], stride: int, expected: Padding, tmp_path: Path
) -> None:
    nodes = [N("Conv", ["x", "w"], ["y"], pads=pads, strides=[stride, stride])]
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 8, 8), weights={"w": some(3, 2, 3, 3)})
    graph = read_here(path).graph
    conv = graph.nodes[-1].op
    assert isinstance(conv, Conv)
    assert conv.padding is expected
    own_zeros = any(isinstance(n.op, ZeroPadding) for n in graph.nodes)
    assert own_zeros == (expected is Padding.VALID and any(pads))
    if own_zeros:  # no more than the windows reach
        (border,) = [n.op.border for n in graph.nodes if isinstance(n.op, ZeroPadding)]
        assert border == (1, 0, 1, 0)


POOLS: list[tuple[str, dict[str, Any]]] = [
    ("MaxPool", {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("MaxPool", {"strides": [2, 2], "ceil_mode": 1}),
    ("MaxPool", {"strides": [3, 2], "pads": [1, 0, 1, 0], "ceil_mode": 1}),
    ("MaxPool", {"strides": [1, 1], "auto_pad": "SAME_UPPER"}),
    ("AveragePool", {"strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool", {"strides": [1, 1], "pads": [1, 1, 1, 1]}),
    ("AveragePool", {"strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", {"strides": [2, 2]}),
]


@pytest.mark.parametrize(("kind", "how"), POOLS, ids=str)
@pytest.mark.parametrize("rectified", [False, True])
def test_pools_of_every_padding(
    kind: str, how: dict[str, Any], rectified: bool, tmp_path: Path
) -> None:
    nodes = [N("Relu" if rectified else "Neg", ["x"], ["r"])]
    nodes.append(N(kind, ["r"], ["y"], kernel_shape=[3, 3], **how))
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 8, 8)))
    check_floats(model, vectors(model, 4))


TRANSPOSED: list[dict[str, Any]] = [
    {"strides": [2, 2]},
    {"strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    {"strides": [1, 2], "dilations": [2, 1], "pads": [0, 1, 1, 0]},
    {"strides": [4, 4], "pads": [0, 0, 0, 0]},
    {"strides": [2, 2], "group": 2},
]


@pytest.mark.parametrize("how", TRANSPOSED, ids=str)
def test_transposed_convolutions(how: dict[str, Any], tmp_path: Path) -> None:
    weights = {"w": some(4, 3, 3, 3), "b": some(3 * how.get("group", 1))}
    nodes = [N("ConvTranspose", ["x", "w", "b"], ["y"], **how)]
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, (1, 4, 5, 4), weights=weights))
    check_floats(model, vectors(model, 4))


@pytest.mark.parametrize(
    ("how", "scale", "taken"),
    [
        ({}, 2.0, True),
        ({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, 3.0, True),
        ({"coordinate_transformation_mode": "asymmetric"}, 3.0, False),  # rounds up at 2/3
        ({"mode": "linear"}, 2.0, False),
        ({}, 1.5, False),
    ],
)
def test_resizing_that_repeats_each_cell(
    how: dict[str, Any], scale: float, taken: bool, tmp_path: Path
) -> None:
    scales = np.array([1, 1, scale, scale], np.float32)
    nodes = [N("Relu", ["x"], ["r"]), N("Resize", ["r", "", "s"], ["y"], **how)]
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 4, 6), weights={"s": scales})
    if taken:
        model = read_here(path)
        check_floats(model, vectors(model, 4))
    else:
        with pytest.raises(ModelError, match=r"\(Resize\): .*NNoM|does not repeat"):
            read_here(path)


# ---- recurrent -----------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "how"),
    [("LSTM", {}), ("GRU", {"linear_before_reset": 1}), ("GRU", {}), ("RNN", {}),
     ("RNN", {"activations": ["Sigmoid"]})],
)  # fmt: skip
@pytest.mark.parametrize("which", [0, 1])
def test_recurrent_operators(
    kind: str, how: dict[str, Any], direction: str, which: int, tmp_path: Path
) -> None:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    both = 2 if direction == "bidirectional" else 1
    how = {k: v * both if isinstance(v, list) else v for k, v in how.items()}
    weights = {
        "w": some(both, gates * 5, 3), "r": some(both, gates * 5, 5), "b": some(both, gates * 10),
        "s": np.array([-1, both * 5]),
    }  # fmt: skip
    nodes = [
        N("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        N(kind, ["t", "w", "r", "b"], ["o", "h"], hidden_size=5, direction=direction, **how),
    ]
    if which == 0:
        nodes += [N("Transpose", ["o"], ["u"], perm=[2, 0, 1, 3]), N("Flatten", ["u"], ["y"])]
    else:
        nodes += [N("Transpose", ["h"], ["u"], perm=[1, 0, 2]), N("Flatten", ["u"], ["y"])]
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, ("n", 4, 3), weights=weights))
    check_floats(model, vectors(model, 6))
    cells = [n.op for n in model.graph.nodes if isinstance(n.op, Rnn)]
    assert len(cells) == both
    assert all(cell.return_sequence == (which == 0) for cell in cells)


# ---- the rest ------------------------------------------------------------------------------------

CHAINS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("clip", [N("Clip", ["x", "lo", "hi"], ["y"])],
     {"lo": np.float32(-0.3), "hi": np.float32(0.5)}),
    ("clip below", [N("Clip", ["x", "lo"], ["y"])], {"lo": np.float32(-0.3)}),
    ("max", [N("Max", ["x", "lo"], ["y"])], {"lo": np.float32(0.1)}),
    ("leaky", [N("LeakyRelu", ["x"], ["y"], alpha=0.3)], {}),
    ("prelu", [N("PRelu", ["x", "a"], ["y"])], {"a": np.full((2, 1, 1), 0.25, np.float32)}),
    ("hard sigmoid", [N("HardSigmoid", ["x"], ["y"], alpha=0.3, beta=0.6)], {}),
    ("hard swish", [N("HardSwish", ["x"], ["y"])], {}),
    ("batch norm", [N("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"])],
     {"g": some(2), "b": some(2), "m": some(2), "v": np.abs(some(2)) + 0.5}),
    ("per channel", [N("Mul", ["x", "s"], ["m"]), N("Sub", ["o", "m"], ["y"])],
     {"s": some(2, 1, 1), "o": some(1, 2, 1, 1)}),
    ("each element", [N("Add", ["x", "s"], ["y"])], {"s": some(1, 2, 4, 6)}),
    ("power", [N("Pow", ["x", "p"], ["y"])], {"p": np.float32(3)}),
    ("sum", [N("Relu", ["x"], ["r"]), N("Sum", ["x", "r", "x"], ["y"])], {}),
    ("mean of two", [N("Relu", ["x"], ["r"]), N("Mean", ["x", "r"], ["y"])], {}),
    ("concat", [N("Relu", ["x"], ["r"]), N("Concat", ["x", "r"], ["y"], axis=1)], {}),
    ("concat rows", [N("Relu", ["x"], ["r"]), N("Concat", ["x", "r"], ["y"], axis=2)], {}),
    ("split", [N("Split", ["x"], ["a", "b"], axis=3), N("Sub", ["a", "b"], ["y"])], {}),
    ("channels", [N("Slice", ["x", "f", "t", "a"], ["r"]), N("Relu", ["r"], ["y"])],
     {"f": np.array([1]), "t": np.array([2]), "a": np.array([1])}),
    ("steps", [N("Slice", ["x", "f", "t", "a", "s"], ["r"]), N("Relu", ["r"], ["y"])],
     {"f": np.array([0, 1]), "t": np.array([4, 99]), "a": np.array([2, 3]), "s": np.array([1, 2])}),
    ("one row", [N("Gather", ["x", "i"], ["r"], axis=2), N("Relu", ["r"], ["y"])],
     {"i": np.array(-1)}),
    ("pad", [N("Pad", ["x", "p"], ["y"])], {"p": np.array([0, 0, 1, 2, 0, 0, 0, 1])}),
    ("mean", [N("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)], {}),
    ("sum of rows", [N("ReduceSum", ["x", "a"], ["y"])], {"a": np.array([2])}),
    ("largest", [N("ReduceMax", ["x"], ["y"], axes=[3])], {}),
    ("global", [N("GlobalMaxPool", ["x"], ["y"])], {}),
    ("spread", [N("GlobalAveragePool", ["x"], ["g"]), N("Mul", ["x", "g"], ["y"])], {}),
    ("softmax", [N("GlobalAveragePool", ["x"], ["g"]), N("Flatten", ["g"], ["f"]),
                 N("Softmax", ["f"], ["y"])], {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "nodes", "weights"), CHAINS, ids=[c[0] for c in CHAINS])
def test_operators(name: str, nodes: list[Any], weights: dict[str, Any], tmp_path: Path) -> None:
    del name
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 4, 6), weights=weights))
    check_floats(model, vectors(model, 8))


@pytest.mark.parametrize("opset", [11, 13, 18, 20])
def test_opsets_write_the_same_in_other_ways(opset: int, tmp_path: Path) -> None:
    new = opset >= 13
    squeeze = N("Squeeze", ["g", "a"], ["s"]) if new else N("Squeeze", ["g"], ["s"], axes=[2, 3])
    nodes = [N("GlobalAveragePool", ["x"], ["g"]), squeeze, N("Softmax", ["s"], ["y"])]
    weights = {"a": np.array([2, 3])} if new else {}
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 5, 4, 6), weights=weights, opset=opset)
    model = read_here(path)
    check_floats(model, vectors(model, 4))
    assert any(isinstance(n.op, GlobalPool) for n in model.graph.nodes)


def test_shapes_are_computed_at_import(tmp_path: Path) -> None:
    """As PyTorch's older exporter writes x.view(x.size(0), -1)."""
    nodes = [
        N("Shape", ["x"], ["s"]),
        N("Gather", ["s", "zero"], ["n"], axis=0),
        N("Unsqueeze", ["n", "first"], ["u"]),
        N("Concat", ["u", "rest"], ["to"], axis=0),
        N("Reshape", ["x", "to"], ["f"]),
        N("MatMul", ["f", "k"], ["y"]),
    ]
    weights = {
        "zero": np.array(0),
        "first": np.array([0]),
        "rest": np.array([-1]),
        "k": some(48, 3),
    }
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, ("n", 2, 4, 6), weights=weights))
    check_floats(model, vectors(model, 4))
    assert isinstance(model.graph.nodes[-1].op, Dense)


def test_a_difference_names_the_tensor_where_it_begins(tmp_path: Path) -> None:
    nodes = [
        N("Conv", ["x", "w"], ["first"]),
        N("Relu", ["first"], ["second"]),
        N("MaxPool", ["second"], ["y"], kernel_shape=[2, 2]),
    ]
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 4, 5), weights={"w": some(3, 2, 3, 3)})
    model = read_here(path)
    x = vectors(model)
    model.check(x)
    broken = next(n.op for n in model.graph.nodes if isinstance(n.op, Conv))
    broken.kernel[0, 0, 0, 0] += 0.5
    with pytest.raises(ModelError, match=r"begins at tensor 'first'.*please report"):
        model.check(x)


def test_the_graph_is_the_same_for_the_two_exporters() -> None:
    for name in ("digits", "mobile", "decoder"):
        script, dynamo = (read_here(ONNX / f"{name}_{how}.onnx") for how in ("script", "dynamo"))
        kinds = [[type(n.op).__name__ for n in m.graph.nodes] for m in (script, dynamo)]
        assert kinds[0] == kinds[1], name
        x = vectors(script)
        one, other = (run_float(m.graph, x)[m.graph.nodes[-1].name] for m in (script, dynamo))
        np.testing.assert_allclose(one, other, atol=1e-5)


# ---- what is refused -----------------------------------------------------------------------------


def test_everything_that_cannot_be_converted_is_told_at_once(tmp_path: Path) -> None:
    nodes = [
        N("Elu", ["x"], ["a"], name="first"),
        N("Conv", ["a", "w"], ["b"], name="second"),
        N("Softmax", ["b"], ["c"], axis=1, name="third"),
        N("GridSample", ["c", "w"], ["d"], name="fourth"),
        N("Relu", ["d"], ["y"], name="fine"),
    ]
    path = made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 4, 5), weights={"w": some(3, 2, 3, 3)})
    with pytest.raises(ModelError) as told:
        read_here(path)
    lines = str(told.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "first (Elu)", "third (Softmax)", "fourth (GridSample)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (N("LogSoftmax", ["x"], ["y"]), "leave it out of the exported model"),
        (N("ArgMax", ["x"], ["y"]), "leave it out of the exported model"),
        (N("QuantizeLinear", ["x", "s"], ["y"]), "quantised already"),
        (N("Gelu", ["x"], ["y"], domain="com.microsoft"), "an operator of com.microsoft's"),
        (N("PRelu", ["x", "a"], ["y"]), "differs between elements"),
        (N("Div", ["s", "x"], ["y"]), "divides by constants only"),
        (N("Pad", ["x", "p"], ["y"], mode="reflect"), "pads with zeros only"),
        (N("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2]), "dilated window"),
        (N("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
         "count_include_pad=True"),
        (N("Conv", ["x", "nowhere"], ["y"]), "nothing before it gives"),
        (N("Reshape", ["x", "x"], ["y"]), "computed from the data"),
        (N("MatMul", ["a", "x"], ["y"]), "by constant matrices only, from the right"),
    ],
    ids=lambda v: getattr(v, "op_type", None),
)  # fmt: skip
def test_reasons(node: Any, reason: str, tmp_path: Path) -> None:
    weights = {"s": np.float32(1), "a": some(2, 1, 1), "p": np.ones(8, np.int64)}
    path = made_onnx(tmp_path / "m.onnx", [node], (1, 2, 8, 8), weights=weights)
    with pytest.raises(ModelError, match=reason):
        read_here(path)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((4, 2, 8, 8), "the batch, which must be 1 or open"),
        (("n", 2, "h", 8), "only the batch may be open"),
        ((1,), "a batch and one to three axes"),
        ((1, 2, 3, 4, 5), "a batch and one to three axes"),
        ((1, 1 << 20, 1 << 20), "more than fit in any Cortex-M"),
    ],
)
def test_inputs_that_are_no_vectors(shape: Any, reason: str, tmp_path: Path) -> None:
    path = made_onnx(tmp_path / "m.onnx", [N("Relu", ["x"], ["y"])], shape)
    with pytest.raises(ModelError, match=reason):
        read_here(path)


def test_old_operators_and_functions_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = made_onnx(tmp_path / "m.onnx", [N("Relu", ["x"], ["y"])], (1, 4), opset=9)
    with pytest.raises(ModelError, match=r"opset 9: 11 to .*opset_version=11"):
        read_here(path)


def test_max_pools_of_either_sign_need_no_zeros(tmp_path: Path) -> None:
    nodes = [N("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])]
    model = read_here(made_onnx(tmp_path / "m.onnx", nodes, (1, 2, 8, 8)))
    assert not any(isinstance(n.op, ZeroPadding) for n in model.graph.nodes)
    assert isinstance(model.graph.nodes[-1].op, Pool)
    check_floats(model, vectors(model, 8) - 5)
