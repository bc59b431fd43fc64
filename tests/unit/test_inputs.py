"""Data goes in at the ends of int8, what ReLUs leave uses all of it, and nothing else changes."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnom_hil.codegen.pieces import input_function
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    Conv,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    Input,
    Padding,
    Reshape,
)
from nnom_hil.model.qgraph import QConv, QDense, QGraph, QInput
from nnom_hil.model.quantise import Method, QuantiseOptions, calibrate, calibration, measure_quality
from nnom_hil.tool import find_tool

FloatArray = npt.NDArray[np.float32]
MSE = QuantiseOptions(method=Method.MSE, per_channel=True)
RELU = Activation(kind=ActivationKind.RELU)


def chain(*ops: FloatOp) -> FloatGraph:
    nodes = [
        FloatNode(name=f"n{i}", op=op, inputs=(f"n{i - 1}",) if i else ())
        for i, op in enumerate(ops)
    ]
    return FloatGraph(name="chain", nodes=tuple(nodes))


def conv(channels: int, filters: int, padding: Padding, seed: int = 0) -> Conv:
    rng = np.random.default_rng(seed)
    return Conv(
        kernel=rng.normal(0, 0.3, (3, 3, channels, filters)).astype(np.float32),
        bias=rng.normal(0, 0.3, filters).astype(np.float32),
        stride=(1, 1),
        dilation=(1, 1),
        padding=padding,
        depthwise=False,
        dims=2,
    )


def dense(inputs: int, units: int) -> Dense:
    rng = np.random.default_rng(1)
    kernel = rng.normal(0, inputs**-0.5, (inputs, units)).astype(np.float32)
    return Dense(kernel=kernel, bias=rng.normal(0, 0.1, units).astype(np.float32))


def mapping(graph: QGraph) -> QInput:
    assert isinstance(graph.input.op, QInput)
    return graph.input.op


def images(channels: int = 3, n: int = 40) -> FloatArray:
    x = np.random.default_rng(3).integers(0, 256, (n, 6, 6, channels))
    x[0, 0, 0] = 0
    x[0, 0, 1] = 255
    return x.astype(np.float32)


@pytest.mark.parametrize("padding", list(Padding))
@pytest.mark.parametrize("first", [None, (1 / 255, 0.0), (1 / 127.5, -1.0)])
def test_bytes_lose_nothing(padding: Padding, first: tuple[float, float] | None) -> None:
    scaling = [] if first is None else [Affine(scale=_one(first[0]), offset=_one(first[1]))]
    graph = chain(
        Input(shape=(6, 6, 3)), *scaling, conv(3, 4, padding), Flatten(), dense(_size(padding), 3)
    )
    x = images()
    q = calibrate(graph, x, MSE).finish()
    assert (q.quantise(x) == (x - 128)).all()
    assert mapping(q).centre == (128.0,)
    assert mapping(q).scale == (1.0,)


def _one(value: float) -> FloatArray:
    return np.array([value], np.float32)


def _size(padding: Padding) -> int:
    return 4 * (36 if padding is Padding.SAME else 16)


@pytest.mark.parametrize("padding", list(Padding))
def test_rewritten_graph_computes_the_same(padding: Padding) -> None:
    graph = chain(
        Input(shape=(6, 6, 3)), conv(3, 5, padding), RELU, conv(5, 4, Padding.SAME, 2), RELU,
        Flatten(), dense(_size(padding), 3),
    )  # fmt: skip
    x = images()
    found = calibrate(graph, x, MSE)
    exact, ours = run_float(graph, x)["n6"], run_float(found.graph, x)["n6"]
    np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-3 * np.abs(exact).max())
    np.testing.assert_allclose(found.data.values("n6"), ours, rtol=1e-3, atol=1e-3)
    q = found.finish()
    assert all(node.tail is None for node in q.nodes)  # saturation is the ReLU
    pads = [node.op.pad_value for node in q.nodes if isinstance(node.op, QConv)]
    assert pads == [-128 if padding is Padding.SAME else 0, -128]


def test_relu_gains_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the range is empty behind a ReLU."""
    x = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    graph = chain(Input(shape=(40,)), dense(40, 40), RELU, dense(40, 40))
    found = calibrate(graph, x, MSE)
    layer = measure_quality(found.graph, found.finish(), found.data).layers[1]
    plain = found.graph.nodes[2].op
    assert isinstance(plain, Activation)
    assert plain.floor == -(2.0 ** (7 - layer.dec))
    monkeypatch.setattr(calibration, "_shifted", lambda found: found)
    found = calibrate(graph, x, MSE)
    before = measure_quality(found.graph, found.finish(), found.data).layers[1].sqnr_db
    assert layer.sqnr_db is not None
    assert before is not None
    assert layer.sqnr_db > before + 5


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("shape", [(8, 6), (48,)])
def test_scaling_by_the_first_layer_keeps_small_channels(
    method: Method, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    spread = np.array([1, 1, 1, 250, 250, 1000], np.float64)
    x = (rng.normal(size=(200, 8, 6)) * spread).astype(np.float32).reshape(200, *shape)
    norm = Affine(scale=(1 / spread).astype(np.float32), offset=np.full(6, 0.5, np.float32))
    shaped = [Reshape(shape=(8, 6))] if len(shape) == 1 else []
    graph = chain(Input(shape=shape), *shaped, norm, Flatten(), dense(48, 5))
    options = QuantiseOptions(method=method)
    found = calibrate(graph, x, options)
    good = measure_quality(found.graph, found.finish(), found.data)
    raw = calibrate(graph, x, QuantiseOptions(method=method, raw_input=True))
    bad = measure_quality(raw.graph, raw.finish(), raw.data)
    assert good.layers[-1].sqnr_db is not None
    assert bad.layers[-1].sqnr_db is not None
    assert good.layers[-1].sqnr_db > 28
    assert bad.layers[-1].sqnr_db < good.layers[-1].sqnr_db - 10
    assert good.uneven_input < 2
    assert bad.uneven_input > (100 if len(shape) == 2 else 0.9)


def test_what_nnom_has_is_all_that_is_used_for_it() -> None:
    graph = chain(
        Input(shape=(6, 6, 3)), conv(3, 5, Padding.SAME), RELU, conv(5, 4, Padding.SAME, 2), RELU,
        Flatten(), dense(144, 3),
    )  # fmt: skip
    options = QuantiseOptions(method=Method.MSE, per_channel=True, nnom_only=True)
    for node in calibrate(graph, images(), options).finish().nodes:
        if isinstance(node.op, QConv):
            assert node.op.pad_value == 0
        if isinstance(node.op, QDense):
            assert not node.op.is_per_unit


@settings(deadline=None, max_examples=6)
@given(
    channels=st.sampled_from([1, 3, 6]),
    seed=st.integers(0, 1000),
    entries=st.sampled_from(["one", "channel", "element"]),
)
def test_function_of_the_header_is_the_harness_one(channels: int, seed: int, entries: str) -> None:
    import tempfile

    rng = np.random.default_rng(seed)
    shape, size = (2, channels), 2 * channels
    count = {"one": 1, "channel": channels, "element": size}[entries]
    centre, scale = (
        tuple(float(v) for v in rng.normal(0, spread, count).astype(np.float32))
        for spread in (3, 40)
    )
    op = QInput(shape=shape, dec=7, centre=centre, scale=scale)
    x = np.concatenate(
        [
            rng.normal(0, 4, (400, *shape)),
            np.resize(np.array(centre), size).reshape(1, *shape)
            + (rng.integers(-140, 140, (400, *shape)) + 0.5)
            / np.resize(scale, size).reshape(shape),
        ]
    ).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        source, library = Path(name) / "input.c", Path(name) / "input.so"
        text = "\n".join(["#include <stdint.h>", *input_function(op, size)])
        text += "\nvoid run(const float *x, int8_t *y);"
        text += "\nvoid run(const float *x, int8_t *y) { nnom_quantise_input(x, y); }\n"
        source.write_text(text)
        subprocess.run(
            [find_tool("cc"), "-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror",
             "-march=native", "-ffp-contract=fast", "-shared", "-fPIC", source, "-o", library],
            check=True,
        )  # fmt: skip
        run = ctypes.CDLL(str(library)).run
        out = np.zeros((len(x), size), np.int8)
        for row, result in zip(x, out, strict=True):
            flat = np.ascontiguousarray(row)
            run(
                flat.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
                result.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
            )
    np.testing.assert_array_equal(out, op.quantise(x).reshape(len(x), size))
