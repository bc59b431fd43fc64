"""Number formats are chosen by the specification's rules, and bad calibration data is refused."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import entropy

from nnom_hil.errors import DataError, ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    Combine,
    Concatenate,
    Conv,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    GlobalPool,
    Input,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Softmax,
)
from nnom_hil.model.qgraph import QConv, QDense
from nnom_hil.model.quantise import (
    Method,
    QuantiseOptions,
    calibrate,
    dec_bits,
    measure_quality,
    quantise,
    search_formats,
    to_int8,
)
from nnom_hil.model.quantise.equalise import equalise
from nnom_hil.model.quantise.fit import round_to_data
from nnom_hil.model.quantise.statistics import kld_dec_bits, observe
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


def node(name: str, op: FloatOp, *inputs: str) -> FloatNode:
    return FloatNode(name=name, op=op, inputs=inputs)


def cell(kernel: npt.NDArray[np.floating], bias: float = 0.0, *, depthwise: bool = False) -> Conv:
    return Conv(
        kernel=kernel.astype(np.float32)[np.newaxis, np.newaxis],
        bias=np.full(kernel.shape[1] if not depthwise else kernel.size, bias, np.float32),
        stride=(1, 1),
        dilation=(1, 1),
        padding=Padding.VALID,
        depthwise=depthwise,
        dims=2,
    )


def identity(n: int, scale: float = 1.0) -> Dense:
    return Dense(kernel=np.eye(n, dtype=np.float32) * scale, bias=np.zeros(n, np.float32))


def values(shape: tuple[int, ...], seed: int = 0, scale: float = 1.0) -> FloatArray:
    x = np.random.default_rng(seed).uniform(-scale, scale, (64, *shape))
    return x.astype(np.float32)


def sqnr(graph: FloatGraph, x: FloatArray, options: QuantiseOptions | None = None) -> float:
    found = calibrate(graph, x, options)
    last = measure_quality(found.graph, found.finish(), found.data).layers[-1].sqnr_db
    assert last is not None
    return last


def branches(*ops: FloatOp, scale: float = 4.0) -> FloatGraph:
    """Two convolutions of very different ranges, joined by what follows."""
    eye = np.eye(3, dtype=np.float32)
    nodes = [
        node("x", Input(shape=(5, 5, 3))),
        node("small", cell(eye * 0.1), "x"),
        node("large", cell(eye * scale), "x"),
        node("relu", Activation(kind=ActivationKind.RELU), "large"),
    ]
    last = ("small", "relu")
    for i, op in enumerate(ops):
        nodes.append(node(f"n{i}", op, *last))
        last = (f"n{i}",)  # type: ignore[assignment]
    return FloatGraph(name="branches", nodes=tuple(nodes))


@pytest.mark.parametrize(
    "join",
    [
        Concatenate(axis=-1),
        Combine(kind=MergeKind.ADD),
        Combine(kind=MergeKind.SUB),
        Combine(kind=MergeKind.MULT),
        Combine(kind=MergeKind.ADD, halvings=1),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", list(Method))
def test_branches_come_together_in_one_format(join: FloatOp, method: Method) -> None:
    """NNoM's converter takes the format of the layer listed before, and errs by powers of two."""
    graph = branches(join, cell(np.eye(6 if isinstance(join, Concatenate) else 3)))
    assert sqnr(graph, values((5, 5, 3)), QuantiseOptions(method=method)) > 25


def test_fixed_format_is_changed_before_it_meets_a_coarser_one() -> None:
    nodes = (
        node("x", Input(shape=(4,))),
        node("large", identity(4, 9.0), "x"),
        node("tanh", Activation(kind=ActivationKind.TANH), "x"),
        node("sum", Combine(kind=MergeKind.ADD), "large", "tanh"),
    )  # fmt: skip
    graph = FloatGraph(name="g", nodes=nodes)
    q = quantise(graph, values((4,)))
    assert q.by_name["tanh"].dec == 7
    assert q.by_name["tanh_requantise"].dec == q.by_name["large"].dec < 7
    assert sqnr(graph, values((4,))) > 25


def test_advanced_relu_behind_a_merge_reads_the_format_that_the_library_holds() -> None:
    relu = Activation(kind=ActivationKind.ADV_RELU, max_value=3.0)
    graph = branches(Combine(kind=MergeKind.ADD), cell(np.eye(3)), relu)
    q = quantise(graph, values((5, 5, 3)))
    assert q.library_decs(compat=False) == {n.name: n.dec for n in q.nodes}
    assert sqnr(graph, values((5, 5, 3))) > 25


@pytest.mark.parametrize("side", [8, 7, 5, 3])
def test_average_pool_gains_bits_by_its_shift(side: int) -> None:
    """Also where the shift loses something of the number of cells: the weights make up for it."""
    nodes = (
        node("x", Input(shape=(side, side, 2))),
        node("conv", cell(np.eye(2)), "x"),
        node("relu", Activation(kind=ActivationKind.RELU), "conv"),
        node("mean", GlobalPool(kind=PoolKind.AVERAGE), "relu"),
        node("flat", Flatten(), "mean"),
        node("dense", identity(2), "flat"),
    )
    graph = FloatGraph(name="g", nodes=nodes)
    x = values((side, side, 2))
    x[:, 0, 0] *= 40.0  # one cell is far larger than the mean
    options = QuantiseOptions(method=Method.MSE)
    by_shift = quantise(graph, x, options).by_name["mean"]
    assert isinstance(by_shift.op, GlobalPool)
    assert by_shift.op.output_shift > 0
    assert sqnr(graph, x, options) > sqnr(graph, x) + 6


def test_equalised_graph_computes_the_same() -> None:
    graph = simplify(chain())
    x = calibration(40)
    scaled, data = equalise(graph, observe(graph, x))
    a, b = run_float(graph, x), run_float(scaled, x)
    np.testing.assert_allclose(a["n6"], b["n6"], atol=1e-5)
    for name, values in b.items():  # worked out, instead of executed again
        np.testing.assert_allclose(data.values(name), values, rtol=1e-4, atol=1e-4)
        assert data.found[name].largest == pytest.approx(np.abs(values).max(), rel=1e-4)
    largest = np.abs(b["n3"]).max(axis=(0, 1, 2))
    assert largest.min() / largest.max() > np.abs(a["n3"]).max(axis=(0, 1, 2)).min() / a["n3"].max()


CAP = Activation(kind=ActivationKind.ADV_RELU, max_value=6.0)
LOWER_CAP = Activation(kind=ActivationKind.ADV_RELU, max_value=3.0)
RELU = Activation(kind=ActivationKind.RELU)
SUM = Combine(kind=MergeKind.ADD)
HALVES = Pool(kind=PoolKind.MAX, size=(2, 2), stride=(2, 2), padding=Padding.VALID, dims=2)


@pytest.mark.parametrize(
    "between",
    [
        [("cap", CAP, "a")],
        [("relu", RELU, "a"), ("cap", CAP, "relu")],
        [("cap", CAP, "a"), ("cap3", LOWER_CAP, "cap")],
        [("pool", HALVES, "a"), ("cap", CAP, "pool")],
        [("sum", SUM, "a", "b"), ("cap", CAP, "sum")],
        [("cap", CAP, "a"), ("cap3", LOWER_CAP, "cap"), ("sum", SUM, "cap", "cap3")],
        [("cap", CAP, "a"), ("own", cell(np.eye(3)), "a"), ("sum", SUM, "cap", "own")],
    ],
    ids=lambda nodes: "-".join(name for name, *_ in nodes),
)
def test_equalising_keeps_limits_of_relu(
    between: list[tuple[str, FloatOp, *tuple[str, ...]]],
) -> None:
    """Values far above the limit, in channels of different strength."""
    rng = np.random.default_rng(0)
    strong = [cell(rng.normal(0, 3, (3, 3)) * [1, 0.3, 2]) for _ in range(3)]
    first = (
        node("x", Input(shape=(6, 6, 3))),
        node("a", strong[0], "x"),
        node("b", strong[1], "x"),
    )
    rest = [node(name, op, *inputs) for name, op, *inputs in between]
    last = node("last", strong[2], between[-1][0])
    graph = FloatGraph(name="g", nodes=(*first, *rest, last))
    x = values((6, 6, 3), scale=2.0)
    scaled, data = equalise(graph, observe(graph, x))
    before, after = run_float(graph, x), run_float(scaled, x)
    np.testing.assert_allclose(before["last"], after["last"], rtol=1e-4, atol=1e-3)
    for name, found in after.items():
        np.testing.assert_allclose(data.values(name), found, rtol=1e-4, atol=1e-3)
    assert sqnr(graph, x, QuantiseOptions(method=Method.MSE)) > 25


def test_weights_rounded_to_data_err_less_on_it() -> None:
    rng = np.random.default_rng(0)
    weight = rng.uniform(-100, 100, (8, 24))
    data = rng.normal(0, 1, (500, 6)) @ rng.normal(0, 1, (6, 24))  # correlated, as images are
    nearest, chosen = np.round(weight), round_to_data(weight, data)
    error = [np.mean((data @ (w - weight).T) ** 2) for w in (nearest, chosen)]
    assert error[1] < error[0] / 3
    assert np.abs(chosen - weight).max() < 10


def test_kld_is_numpys_histograms_and_scipys_entropy() -> None:
    """The rule as the specification words it (5.4), step by step."""
    data = np.random.default_rng(5).laplace(0, 1, 20_000).astype(np.float32)
    largest = float(np.abs(data).max())
    first = 7 - int(np.ceil(np.log2(largest)))
    edges = np.arange(-largest, largest, largest / 1024)
    reference = np.histogram(data, edges)[0]
    divergences = []
    for s in range(4):
        t = 2.0 ** (first + s)
        q = np.clip(np.round(data.astype(np.float64) * t) / t, -128 / t, 127 / t)
        coarse = np.histogram(q, np.arange(-largest, largest, largest / 128))[0]
        built = np.zeros(len(reference))
        for i, count in enumerate(coarse):
            fine = reference[8 * i : 8 * i + 8]
            if fine.any():
                built[8 * i : 8 * i + 8] = np.where(fine, count / np.count_nonzero(fine), 0)
        built[built == 0] = 1e-5
        divergences.append(entropy(reference, built))
    graph = FloatGraph(name="g", nodes=(node("x", Input(shape=(20,))), node("y", Flatten(), "x")))
    x = data.reshape(1000, 20)
    got = kld_dec_bits(graph, x, observe(graph, x), {"y"})["y"]
    assert got == min(first + int(np.argmin(divergences)), 16)


def test_percentile_lets_outliers_go() -> None:
    x = values((50,))
    x[0, 0] = 30.0
    dense = identity(50)
    graph = FloatGraph(
        name="g",
        nodes=(
            node("x", Input(shape=(50,))),
            node("a", dense, "x"),
            node("tanh", Activation(kind=ActivationKind.TANH), "a"),
        ),
    )
    options = QuantiseOptions(method=Method.PERCENTILE, percentile=99.0)
    assert calibrate(graph, x, options).wanted["a"] == 6
    assert calibrate(graph, x).wanted["a"] == 2


def test_percentile_keeps_what_carries_the_signal() -> None:
    """In data of wide range one value in a hundred can be most of the power."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.05, (64, 200)).astype(np.float32)
    x[:, 0] = rng.uniform(-8, 8, 64)
    nodes = (node("x", Input(shape=(200,))), node("a", identity(200), "x"))
    graph = FloatGraph(name="g", nodes=nodes)
    options = QuantiseOptions(method=Method.PERCENTILE, percentile=99.0)
    assert calibrate(graph, x, options).wanted["a"] <= 4


def test_search_never_ends_worse_than_it_began() -> None:
    x = calibration(48)
    labels = np.random.default_rng(0).integers(0, 3, 48)
    found = calibrate(chain(), x)
    result = search_formats(found, labels, seconds=3.0)
    assert result.after >= result.before
    assert result.tried > 1
    outputs = run_all_layers(result.graph, to_int8(x, result.graph.input.dec))
    right = outputs[result.graph.output.name].reshape(48, -1).argmax(axis=1) == labels
    assert right.mean() == result.after


def test_search_without_classes_goes_by_the_error() -> None:
    x = calibration(48)
    found = calibrate(chain(), x)
    result = search_formats(found, None, seconds=2.0, chooses=False)
    assert result.before == result.after == 1.0
    before, after = (
        measure_quality(found.graph, q, found.data).layers[-2].sqnr_db
        for q in (found.finish(), result.graph)
    )
    assert before is not None
    assert after is not None
    assert after >= before


def test_what_ends_where_int8_does_is_not_saturated() -> None:
    """As a ReLU's zeros do in a shifted format: they are its lower end, and lost nothing."""
    x = values((4,), scale=0.9)
    x[:, 0], x[:, 1] = -1.0, 127 / 128
    graph = FloatGraph(name="g", nodes=(node("x", Input(shape=(4,))), node("d", identity(4), "x")))
    found = calibrate(graph, x)
    quality = measure_quality(found.graph, found.build(found.wanted | {"d": 7}), found.data)
    assert [(layer.dec, layer.saturated) for layer in quality.layers] == [(7, 0.0), (7, 0.0)]


def test_quality_counts_saturated_values() -> None:
    x = values((4,))
    dense = identity(4)
    graph = FloatGraph(name="g", nodes=(node("x", Input(shape=(4,))), node("d", dense, "x")))
    found = calibrate(graph, x)
    quality = measure_quality(found.graph, found.build(found.wanted | {"d": 9}), found.data)
    layer = quality.layers[-1]
    expected = np.mean(np.abs(x) > 0.25)
    assert layer.saturated == pytest.approx(expected, abs=0.02)
    assert quality.layers[0].sqnr_db is not None
    assert quality.layers[0].sqnr_db > 40


def test_samples_come_from_everywhere_in_the_data() -> None:
    """Data is often sorted by class."""
    sorted_data = np.linspace(0, 1, 2000, dtype=np.float32).repeat(4).reshape(2000, 4)
    graph = FloatGraph(name="g", nodes=(node("x", Input(shape=(4,))), node("d", identity(4), "x")))
    found = calibrate(graph, sorted_data)
    quality = measure_quality(found.graph, found.build(), found.data)
    assert quality.samples <= 128
    assert quality.layers[0].largest > 0.99
    for count in (1, 5, 511, 512, 513, 10_000):
        taken = observe(graph, sorted_data[np.arange(count) % 2000]).picks
        assert len(taken) == min(count, 512)
        assert taken[0] == 0
        assert taken[-1] == count - 1
        assert len(set(taken)) == len(taken)


def test_bias_of_zero_can_be_corrected() -> None:
    """A pool's division toward zero costs half a step, which the dense layer behind gives back."""
    kernel = np.array([[0.9, -0.4, 0.3], [0.7, 0.6, -0.8]], np.float32)
    dense = Dense(kernel=kernel, bias=np.zeros(3, np.float32))
    nodes = (
        node("x", Input(shape=(5, 5, 2))),
        node("mean", GlobalPool(kind=PoolKind.AVERAGE), "x"),
        node("dense", dense, "mean"),
    )
    graph = FloatGraph(name="g", nodes=nodes)
    x = np.abs(values((5, 5, 2)))
    q = quantise(graph, x, QuantiseOptions(method=Method.MSE))
    op = q.by_name["dense"].op
    assert isinstance(op, QDense)
    assert op.bias is not None
    exact = run_float(graph, x)["dense"]
    got = run_all_layers(q, to_int8(x, q.input.dec))["dense"] * 2.0 ** -q.by_name["dense"].dec
    assert np.all(np.abs(np.mean(got - exact, axis=0)) < 0.2 * 2.0 ** -q.by_name["mean"].dec)
    assert np.any(op.bias)


def test_layer_named_like_a_helper_is_not_taken_for_it() -> None:
    sequence = Reshape(shape=(4, 3))
    nodes = (
        node("x", Input(shape=(4, 3))),
        node("a", sequence, "x"),
        node("a_axes", Activation(kind=ActivationKind.RELU), "x"),
        node("b", cell(np.eye(3)), "a_axes"),
        node("sum", Combine(kind=MergeKind.ADD), "a", "b"),
    )
    graph = FloatGraph(name="g", nodes=nodes)
    assert sqnr(graph, values((4, 3))) > 25


def test_activation_that_would_overflow_is_refused() -> None:
    relu = Activation(kind=ActivationKind.ADV_RELU, negative_slope=0.9, threshold=0.9)
    graph = FloatGraph(name="g", nodes=(node("x", Input(shape=(4,))), node("steep", relu, "x")))
    with pytest.raises(ModelError, match=r"steep \(ReLU\): below threshold 0.9 a slope of 0.9"):
        quantise(graph, values((4,)))


@pytest.mark.parametrize("method", list(Method))
def test_overflow_inside_is_named_by_every_method(method: Method) -> None:
    nodes = (
        node("x", Input(shape=(4,))),
        node("huge", identity(4, 3e38), "x"),
        node("end", identity(4, 3e38), "huge"),
    )
    graph = FloatGraph(name="g", nodes=nodes)
    with pytest.raises(DataError, match="overflows on the calibration data"):
        quantise(graph, values((4,), scale=10.0), QuantiseOptions(method=method))
