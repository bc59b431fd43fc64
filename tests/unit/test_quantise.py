"""Number formats are chosen by the specification's rules, and bad calibration data is refused."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnom_hil.errors import DataError
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
    Softmax,
)
from nnom_hil.model.qgraph import QConv, QDense
from nnom_hil.model.quantise import QuantiseOptions, dec_bits, quantise, to_int8
from nnom_hil.model.reference import run_all_layers
from nnom_hil.model.simplify import simplify

FloatArray = npt.NDArray[np.float32]


def chain(seed: int = 0, *, depthwise: bool = False) -> FloatGraph:
    rng = np.random.default_rng(seed)

    def f32(*shape: int) -> FloatArray:
        return rng.normal(0, 0.4, shape).astype(np.float32)

    filters = 4 * 2 if depthwise else 5
    ops: list[FloatOp] = [
        Input(shape=(6, 6, 4)),
        Conv(
            kernel=f32(3, 3, 4, 2 if depthwise else 5),
            bias=f32(filters),
            stride=(1, 1),
            dilation=(1, 1),
            padding=Padding.SAME,
            depthwise=depthwise,
            dims=2,
        ),
        Affine(scale=f32(filters) + 1, offset=f32(filters)),
        Activation(kind=ActivationKind.RELU),
        Flatten(),
        Dense(kernel=f32(36 * filters, 3), bias=f32(3)),
        Softmax(),
    ]
    names = [f"n{i}" for i in range(len(ops))]
    nodes = [
        FloatNode(name=n, op=op, inputs=(names[i - 1],) if i else ())
        for i, (n, op) in enumerate(zip(names, ops, strict=True))
    ]
    return FloatGraph(name="chain", nodes=tuple(nodes))


def calibration(n: int = 16) -> FloatArray:
    return np.random.default_rng(7).uniform(-1, 1, (n, 6, 6, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("largest", "dec"),
    [(1.0, 7), (0.5, 8), (1.01, 6), (1.003, 7), (0.0, 7), (100.0, 0), (200.0, -1), (1e-12, 32)],
)
def test_max_min_rule(largest: float, dec: int) -> None:
    assert dec_bits(np.array([0.0, -largest])) == dec


@given(hnp.arrays(np.float64, 20, elements=st.floats(-1e4, 1e4)), st.integers(-5, 12))
def test_quantised_value_is_nearest_or_saturated(data: npt.NDArray[np.float64], dec: int) -> None:
    q = to_int8(data, dec).astype(np.float64)
    exact = data * 2.0**dec
    inside = (exact >= -128) & (exact <= 127)
    assert (np.abs(q - exact)[inside] <= 0.5).all()
    assert (q[exact > 127] == 127).all()
    assert (q[exact < -128] == -128).all()


@pytest.mark.parametrize("depthwise", [False, True])
def test_folded_graph_computes_the_same(depthwise: bool) -> None:
    graph = chain(depthwise=depthwise)
    folded = simplify(graph)
    assert not any(isinstance(n.op, Affine) for n in folded.nodes)
    x = calibration()
    np.testing.assert_allclose(
        run_float(folded, x)["n6"], run_float(graph, x)["n6"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("depthwise", [False, True])
def test_int8_result_is_close_to_float(per_channel: bool, depthwise: bool) -> None:
    graph = chain(depthwise=depthwise)
    q = quantise(graph, calibration(), QuantiseOptions(per_channel=per_channel))
    dense = next(n for n in q.nodes if isinstance(n.op, QDense))
    x = calibration(40)
    ours = run_all_layers(q, to_int8(x, q.input.dec))[dense.name] * 2.0**-dense.dec
    exact = run_float(graph, x)["n5"]
    noise = np.mean((ours.reshape(exact.shape) - exact) ** 2)
    assert 10 * np.log10(np.mean(exact**2) / noise) > 22  # dB


def test_per_channel_gives_one_shift_a_channel() -> None:
    q = quantise(chain(), calibration(), QuantiseOptions(per_channel=True))
    conv = next(n.op for n in q.nodes if isinstance(n.op, QConv))
    assert len(conv.weight_dec) == len(conv.output_shift) == len(conv.bias_shift) == 5
    assert len({d - s for d, s in zip(conv.weight_dec, conv.output_shift, strict=True)}) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((0, 6, 6, 4), np.float32), "n >= 1"),
        (np.zeros((3, 6, 6, 3), np.float32), r"shape \(3, 6, 6, 3\)"),
        (np.full((3, 6, 6, 4), np.nan, np.float32), "NaN or infinity"),
        (np.full((3, 6, 6, 4), np.inf, np.float32), "NaN or infinity"),
    ],
)
def test_bad_calibration_data_is_refused(data: FloatArray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        quantise(chain(), data)


def test_same_input_gives_the_same_graph() -> None:
    first, second = (quantise(chain(), calibration()) for _ in range(2))
    assert first.content_hash == second.content_hash
    assert quantise(chain(1), calibration()).content_hash != first.content_hash
