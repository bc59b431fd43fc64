"""One test for each item of NNOM_COMPAT.md section 6: NNoM's bytes with the switch, or right ones.

The rest are where their subject is: Q-03, Q-25 in test_golden; Q-04, Q-42, Q-44, Q-45, Q-51 in
test_nnom; Q-11, Q-19, Q-29, Q-46 in kernels_main.c; Q-02, Q-12, Q-33 in quirks_main.c; Q-26 to
Q-28 in the channel-first tests; Q-34, Q-36 in test_safety; Q-37 in wide_main.c; Q-41 in
test_tables.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.native import Runner, build_native
from tests.support.random_graphs import Layer
from tests.unit.test_nnom import NATIVE, output_of

from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.graph import (
    ActivationKind,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
)
from nnom_hil.model.qgraph import (
    CellKind,
    Int8,
    QActivation,
    QConv,
    QInput,
    QOp,
    QOutput,
    QRnn,
    QSoftmax,
)
from nnom_hil.model.reference import run_all_layers
from nnom_hil.model.reference_rnn import look_up16

BOTH = pytest.mark.parametrize("compat", [False, True], ids=["right", "compat"])


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Runner]:
    folder = tmp_path_factory.mktemp("native")
    return {compat: Runner.build(folder, compat=compat) for compat in (False, True)}


def int8(*values: int) -> Int8:
    return np.array(values, dtype=np.int8)


def outputs(
    runners: dict[bool, Runner], compat: bool, x: Int8, *ops: QOp, dec: int = 7
) -> list[int]:
    """Return the output of a chain for one input of shape (h, w, c), after both agree on it."""
    layers: list[Layer] = [("x", QInput(shape=x.shape, dec=dec), (), None, "")]
    for i, op in enumerate(ops):
        layers.append((f"n{i}", op, (layers[-1][0],), None, ""))
    graph = make_qgraph("quirk", [*layers, ("out", QOutput(), (layers[-1][0],), None, "")])
    run = runners[compat].run([(graph, x[np.newaxis])])[0]
    assert run.compile_status == 0, run.text
    expected = run_all_layers(graph, x[np.newaxis], compat=compat)["out"].reshape(1, -1)
    np.testing.assert_array_equal(run.results, expected)
    return [int(v) for v in run.results[0]]


def conv(weight: Int8, **changes: Any) -> QConv:
    fields: dict[str, Any] = {
        "bias": None, "weight_dec": (0,), "bias_dec": (0,), "output_shift": (0,),
        "bias_shift": (0,), "stride": (1, 1), "dilation": (1, 1), "padding": Padding.SAME,
        "depthwise": False, "dims": 2,
    }  # fmt: skip
    return QConv(weight=weight, **(fields | changes))


@BOTH
def test_q01_pooling_may_come_first(runners: dict[bool, Runner], compat: bool) -> None:
    pool = Pool(
        kind=PoolKind.MAX, size=(1, 2), stride=(1, 2), padding=Padding.VALID, dims=2
    )  # fmt: skip
    assert outputs(runners, compat, int8(1, 5, -3, -4).reshape(1, 4, 1), pool) == [5, -3]


@BOTH
def test_q05_strided_same_padding(runners: dict[bool, Runner], compat: bool) -> None:
    """Four cells, kernel 3, stride 2: Keras pads behind only, NNoM one cell before."""
    picks_first = conv(int8(1, 0, 0).reshape(1, 1, 3, 1), stride=(1, 2))
    x = int8(10, 20, 30, 40).reshape(1, 4, 1)
    assert outputs(runners, compat, x, picks_first) == ([0, 20] if compat else [10, 30])


@BOTH
def test_q06_relu6_on_four_fraction_bits(runners: dict[bool, Runner], compat: bool) -> None:
    relu6 = QActivation(kind=ActivationKind.ADV_RELU, dec=4, max_value=6.0)
    x = int8(-5, 47, 96, 127).reshape(1, 1, 4)
    expected = [0, 47, 48, 48] if compat else [0, 47, 96, 96]
    assert outputs(runners, compat, x, relu6, dec=4) == expected


@BOTH
def test_relu_at_its_threshold(runners: dict[bool, Runner], compat: bool) -> None:
    """Keras takes the lower branch there; NNoM keeps the value, and clips before it looks."""
    dec = 4
    relu = QActivation(
        kind=ActivationKind.ADV_RELU, dec=dec, negative_slope=0.5, threshold=1.0, max_value=6.0
    )
    x = int8(-16, 8, 15, 16, 17, 96, 127).reshape(1, 1, 7)
    if compat:  # limits of 8 and 48 instead of 16 and 96 as well: Q-06
        assert outputs(runners, compat, x, relu, dec=dec) == [-12, 8, 15, 16, 17, 48, 48]
    else:
        assert outputs(runners, compat, x, relu, dec=dec) == [-16, -4, 0, 0, 17, 96, 96]
    low = QActivation(kind=ActivationKind.ADV_RELU, dec=3, threshold=1.0, max_value=0.5)
    x = int8(4, 8, 9, 100).reshape(1, 1, 4)
    # dec 3 and 4 have limits of 16 and 8 in NNoM, 8 and 4 here
    assert outputs(runners, compat, x, low, dec=3) == ([0, 0, 0, 0] if compat else [0, 0, 4, 4])


@BOTH
def test_q07_upsampling_in_one_dimension(runners: dict[bool, Runner], compat: bool) -> None:
    x = int8(1, 2, 3).reshape(1, 3, 1)
    assert outputs(runners, compat, x, UpSample(factor=(1, 3))) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_q08_tables_saturate_or_wrap() -> None:
    x = np.array([-32768, 32767])
    wrapped = look_up16(ActivationKind.SIGMOID, x, 4, compat=True)
    assert wrapped.tolist() == [16384, 16380]
    # at the table's ends: sigmoid(-8) and sigmoid(127/16)
    right = look_up16(ActivationKind.SIGMOID, x, 4, compat=False) / 32768
    np.testing.assert_allclose(right, [0, 1], atol=1e-3)


def rnn(kind: CellKind, **changes: Any) -> QRnn:
    rows = kind.gates
    fields: dict[str, Any] = {
        "weight": np.full((rows, 1), 64, np.int8), "recurrent": np.zeros((rows, 1), np.int8),
        "bias": np.zeros((2, rows) if kind is CellKind.GRU else rows, np.int8),
        "weight_dec": 7, "recurrent_dec": 7, "bias_dec": 7, "z_dec": 4, "input_product_dec": 4,
        "state_product_dec": 4,
    }  # fmt: skip
    return QRnn(kind=kind, **(fields | changes))


@BOTH
def test_q10_recurrent_bias_of_a_gru(runners: dict[bool, Runner], compat: bool) -> None:
    """The candidate's recurrent bias is 1.0; NNoM reads it with the scale of the input's."""
    bias = int8(0, 0, 0, 0, 0, 64).reshape(2, 3)
    cell = rnn(CellKind.GRU, weight=np.zeros((3, 1), np.int8), bias=bias, bias_dec=6, weight_dec=5)
    y = outputs(runners, compat, int8(0).reshape(1, 1, 1), cell)[0] / 128
    # z = r = 1/2, candidate = tanh(r * b): b is 1.0, or 1/4 of it for NNoM
    b = 0.25 if compat else 1.0
    assert y == pytest.approx(0.5 * np.tanh(0.5 * b), abs=0.02)


@BOTH
def test_q15_sigmoid_of_very_small_numbers(runners: dict[bool, Runner], compat: bool) -> None:
    sigmoid = QActivation(kind=ActivationKind.SIGMOID, dec=8)
    x = int8(-100, 0, 100).reshape(1, 1, 3)
    y = outputs(runners, compat, x, sigmoid, dec=8)
    exact = 128 / (1 + np.exp(-x.ravel() / 256))
    if compat:
        assert y == [0, 0, 127]
    else:
        np.testing.assert_allclose(y, exact, atol=2.5)


@BOTH
def test_q21_order_of_backward_sequences(runners: dict[bool, Runner], compat: bool) -> None:
    cell = rnn(CellKind.SIMPLE, return_sequence=True, go_backwards=True)
    x = int8(0, 60, 120).reshape(1, 3, 1)
    y = outputs(runners, compat, x, cell)
    assert y == sorted(y, reverse=not compat)
    assert len(set(y)) == 3


@BOTH
def test_q22_gru_with_one_bias_is_reset_before(runners: dict[bool, Runner], compat: bool) -> None:
    """NNoM reads past a bias of three units; here it is Keras' reset_after=False."""
    rng = np.random.default_rng(2)
    cell = rnn(
        CellKind.GRU,
        weight=rng.integers(-90, 90, (6, 3)).astype(np.int8),
        recurrent=rng.integers(-90, 90, (6, 2)).astype(np.int8),
        bias=rng.integers(-90, 90, 6).astype(np.int8),
    )
    x = rng.integers(-128, 128, (1, 5, 3)).astype(np.int8)
    y = np.array(outputs(runners, compat, x, cell)) / 128
    w, u, b = cell.weight.T / 128, cell.recurrent.T / 128, cell.bias / 128  # type: ignore[operator]
    h = np.zeros(2)
    for step in x[0] / 128:
        a = step @ w + b
        z, r = (1 / (1 + np.exp(-(a[i : i + 2] + h @ u[:, i : i + 2]))) for i in (0, 2))
        h = z * h + (1 - z) * np.tanh(a[4:] + (r * h) @ u[:, 4:])
    np.testing.assert_allclose(y, h, atol=0.02)


@BOTH
def test_q30_base_of_softmax(runners: dict[bool, Runner], compat: bool) -> None:
    """Logits in quarters: 10 stands for 2.5. NNoM takes them for the logarithms of two."""
    x = int8(10, 12, 3, 4, 5, 12, 11, 9, -5, 0).reshape(1, 2, 5)
    base_two = [11, 44, 0, 0, 0, 44, 22, 5, 0, 0]
    powers = np.exp(x.ravel() / 4)
    true = np.round(128 * powers / powers.sum()).astype(int).tolist()
    got = outputs(runners, compat, x, QSoftmax(), dec=2)
    assert got == (base_two if compat else true)
    assert outputs(runners, compat, x, QSoftmax(base_two=True), dec=2) == base_two


@BOTH
def test_q35_convolution_over_a_sequence(runners: dict[bool, Runner], compat: bool) -> None:
    """A recurrent layer's (steps, units) is an image of one row to what follows."""
    sequence = rnn(CellKind.SIMPLE, return_sequence=True)
    last_two = conv(int8(1, 1).reshape(1, 1, 2, 1), padding=Padding.VALID, dims=1)
    x = int8(0, 60, 120).reshape(1, 3, 1)
    steps = outputs(runners, compat, x, sequence)
    sums = outputs(runners, compat, x, sequence, last_two)
    assert sums == [min(127, steps[0] + steps[1]), min(127, steps[1] + steps[2])]


@BOTH
def test_q40_format_after_an_activation_layer(runners: dict[bool, Runner], compat: bool) -> None:
    layers: list[Layer] = [
        ("x", QInput(shape=(1, 1, 2), dec=4), (), None, ""),
        ("t", QActivation(kind=ActivationKind.TANH, dec=4), ("x",), None, ""),
        ("r", Reshape(shape=(2,)), ("t",), None, ""),
        ("out", QOutput(), ("r",), None, ""),
    ]
    graph = make_qgraph("q40", layers)
    text = runners[compat].run([(graph, np.zeros((1, 1, 1, 2), np.int8))])[0].text
    table = text.split("Print layer input/output..")[1]
    assert ("#2  Activation -    3. 4      3. 4" if compat else "3. 4      0. 7") in table


@BOTH
@pytest.mark.parametrize("main", ["quirks_main.c", "wide_main.c"])
def test_native_program(main: str, compat: bool, tmp_path: Path) -> None:
    flags = [f"-DNNOM_COMPAT_043={int(compat)}", "-DNNOM_LOG(...)=((void)0)"]
    output_of(build_native(NATIVE / main, tmp_path / "program", *flags, warnings=False))


@BOTH
def test_window_too_large_to_be_gathered(runners: dict[bool, Runner], compat: bool) -> None:
    """Above 512 bytes the convolution reads the image in place."""
    rng = np.random.default_rng(4)
    weight = rng.integers(-128, 128, (6, 3, 3, 64)).astype(np.int8)
    x = rng.integers(-128, 128, (5, 6, 64)).astype(np.int8)
    for dilation in ((1, 1), (2, 2)):
        op = conv(weight, output_shift=(11,), dilation=dilation, stride=(2, 1))
        assert len(set(outputs(runners, compat, x, op))) > 20
