"""Causes by their evidence alone: the target is the reference of a network that is spoilt."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.random_graphs import random_graph

from nnom_hil.build import Library, constants_of
from nnom_hil.cli.app import run_app
from nnom_hil.codegen.layouts import HeaderOptions
from nnom_hil.codegen.streams import interleave_dense
from nnom_hil.diagnosis.contents import Contents, held_layers
from nnom_hil.diagnosis.data import DataEvidence, data_findings, permutation_of, variants
from nnom_hil.diagnosis.formats import FormatEvidence, compare_formats, format_findings
from nnom_hil.diagnosis.printed import PrintedEvidence, printed_findings
from nnom_hil.diagnosis.target import (
    Alone,
    PrintedLayer,
    TargetEvidence,
    compare_layers,
    target_findings,
)
from nnom_hil.errors import UsageError
from nnom_hil.explanations import Cause, Confidence, Finding
from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.graph import ActivationKind, Padding, Pool, PoolKind
from nnom_hil.model.qgraph import (
    Int8,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOutput,
    QSoftmax,
)
from nnom_hil.model.reference import run_all_layers, run_layer
from nnom_hil.run.reproduce import Reproducer, alone, load_reproducer, save_reproducer, shrink

RNG = np.random.default_rng(5)


def int8(*shape: int, low: int = -90, high: int = 90) -> Int8:
    return RNG.integers(low, high, shape).astype(np.int8)


def network() -> QGraph:
    """Convolution, pooling, dense layer and softmax, in which some values saturate."""
    relu = QActivation(kind=ActivationKind.RELU, dec=4)
    conv = QConv(
        weight=int8(6, 3, 3, 3), bias=int8(6), weight_dec=(6,), bias_dec=(6,), output_shift=(8,),
        bias_shift=(4,), stride=(2, 2), dilation=(1, 1), padding=Padding.SAME, depthwise=False,
        dims=2, pad_value=-3,
    )  # fmt: skip
    pool = Pool(kind=PoolKind.AVERAGE, size=(3, 3), stride=(2, 2), padding=Padding.SAME, dims=2)
    dense = QDense(
        weight=int8(8, 24), bias=int8(8), weight_dec=(6,), bias_dec=(6,), output_shift=(7,),
        bias_shift=(3,),
    )  # fmt: skip
    return make_qgraph(
        "net",
        [
            ("input", QInput(shape=(8, 8, 3), dec=6), (), None, ""),
            ("conv", conv, ("input",), relu, "relu"),
            ("pool", pool, ("conv",), None, ""),
            ("dense", dense, ("pool",), None, ""),
            ("softmax", QSoftmax(), ("dense",), None, ""),
            ("output", QOutput(), ("softmax",), None, ""),
        ],
    )


GRAPH = network()
X = int8(6, 8, 8, 3, low=-128, high=128)


def spoilt(name: str, change: Callable[[QNode], QNode]) -> QGraph:
    nodes = tuple(change(n) if n.name == name else n for n in GRAPH.nodes)
    return QGraph(name=GRAPH.name, nodes=nodes)


def with_op(name: str, **changes: Any) -> QGraph:
    return spoilt(name, lambda node: replace(node, op=replace(node.op, **changes)))


def evidence(tensors: dict[str, Int8], **more: Any) -> TargetEvidence:
    return TargetEvidence(
        graph=GRAPH, x=X.reshape(len(X), -1), tensors=tensors, sizes={}, answers=(3, 6), **more
    )


def found_in(target: QGraph, **more: Any) -> list[Finding]:
    return target_findings(evidence(run_all_layers(target, X), **more))


def op_of(name: str) -> Any:
    return GRAPH.by_name[name].op


def grouped(weight: Int8, width: int) -> Int8:
    return weight.reshape(-1, width)[:, ::-1].reshape(weight.shape)


def erased(weight: Int8, at: int) -> Int8:
    flat = weight.copy().ravel()
    flat[at:] = -1
    return flat.reshape(weight.shape)


CONV, DENSE = op_of("conv"), op_of("dense")
FLATTENED = DENSE.weight.reshape(8, 2, 2, 6).transpose(0, 3, 1, 2).reshape(8, 24)
SPOILT: dict[str, tuple[QGraph, Cause, str]] = {
    "shift": (with_op("conv", output_shift=(9,)), Cause.WRONG_SHIFT, "conv"),
    "bias shift": (with_op("dense", bias_shift=(6,)), Cause.WRONG_SHIFT, "dense"),
    "filters": (
        with_op("conv", weight=CONV.weight[[0, 4, 2, 3, 1, 5]]), Cause.SWAPPED_CHANNELS, "conv",
    ),
    "colours": (with_op("conv", weight=CONV.weight[..., ::-1]), Cause.SWAPPED_CHANNELS, "conv"),
    "words": (with_op("conv", weight=grouped(CONV.weight, 2)), Cause.BYTE_ORDER, "conv"),
    "cut": (with_op("conv", weight=erased(CONV.weight, 100)), Cause.TRUNCATED_FLASH, "conv"),
    "turned": (
        with_op("conv", weight=np.flip(CONV.weight, (1, 2))), Cause.WEIGHT_ORDER, "conv",
    ),
    "padding": (with_op("conv", pad_value=0), Cause.PADDING, "conv"),
    "bias": (with_op("dense", bias=None), Cause.DAMAGED_WEIGHTS, "dense"),
    "activation": (
        spoilt("conv", lambda n: replace(n, tail=None)), Cause.OTHER_NETWORK, "conv",
    ),
    "pool": (with_op("pool", kind=PoolKind.MAX), Cause.OTHER_NETWORK, "pool"),
    "dense order": (
        with_op("dense", weight=DENSE.weight.T.reshape(DENSE.weight.shape)), Cause.DENSE_ORDER,
        "dense",
    ),
    "flattened": (
        with_op("dense", weight=FLATTENED),
        Cause.DENSE_ORDER, "dense",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_a_layer_that_is_wrong_is_found_and_named(name: str) -> None:
    target, cause, layer = SPOILT[name]
    found = found_in(target, interleaved=False)
    assert [(f.cause, f.layer) for f in found] == [(cause, layer)]
    assert found[0].confidence in (Confidence.CERTAIN, Confidence.LIKELY)


def test_interleaved_weights_that_are_read_row_by_row() -> None:
    stream = interleave_dense(DENSE.weight)
    target = with_op("dense", weight=stream.reshape(DENSE.weight.shape))
    found = found_in(target, interleaved=False)
    assert [(f.cause, f.layer) for f in found] == [(Cause.DENSE_ORDER, "dense")]


def endings(finish: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]) -> dict[str, Int8]:
    """The target's layers, its convolution ending in another way."""
    from nnom_hil.model.reference import layer_sums, run_tail

    node = GRAPH.by_name["conv"]
    sums, bias, shift = layer_sums(node, [X], compat=False)
    half = (np.int64(1) << shift) >> 1
    conv = run_tail(node, finish((sums + bias + half) >> shift).astype(np.int8), [6], compat=False)
    tensors = {"input": X, "conv": conv}
    for name in ("pool", "dense", "softmax", "output"):
        node = GRAPH.by_name[name]
        decs = [GRAPH.by_name[i].dec for i in node.inputs]
        sources = [tensors[i] for i in node.inputs]
        tensors[name] = run_layer(node, sources, decs, compat=False)
    return tensors


def test_what_wraps_round_is_an_overflow() -> None:
    found = target_findings(evidence(endings(lambda v: v)))
    assert [(f.cause, f.layer, f.confidence) for f in found] == [
        (Cause.OVERFLOW, "conv", Confidence.CERTAIN)
    ]


def test_what_nothing_explains_is_said_to_be_unknown() -> None:
    def odd(v: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        changed = v.clip(-128, 127)
        changed[..., 2] ^= 5
        return changed

    tensors = endings(odd)
    found = target_findings(evidence(tensors))
    assert [(f.cause, f.layer, f.confidence) for f in found] == [
        (Cause.UNKNOWN, "conv", Confidence.POSSIBLE)
    ]
    for differs, cause in ((True, Cause.KERNEL), (False, Cause.DAMAGED_WEIGHTS)):
        alone = Alone(layer="conv", differs=differs, elsewhere={"others": False} if differs else {})
        assert target_findings(evidence(tensors, alone=alone))[0].cause is cause


def test_weights_of_another_training_are_stale() -> None:
    other = network()  # of the same shape, other numbers
    found = found_in(other)
    assert [(f.cause, f.layer) for f in found] == [(Cause.STALE_WEIGHTS, "conv")]
    told = evidence(run_all_layers(GRAPH, X), model_hash="0" * 64)
    assert target_findings(told)[0].cause is Cause.STALE_WEIGHTS


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda v: v >> 2, Cause.INPUT_SCALE),
        (lambda v: v[..., ::-1], Cause.CHANNEL_ORDER),
        (lambda v: v ^ -128, Cause.PREPROCESSING),
        (lambda v: np.ascontiguousarray(v.swapaxes(1, 2)), Cause.PREPROCESSING),
        (np.zeros_like, Cause.PREPROCESSING),
    ],
)
def test_an_input_that_the_firmware_changes_is_named(
    change: Callable[[Int8], Int8], cause: Cause
) -> None:
    found = target_findings(evidence(run_all_layers(GRAPH, change(X))))
    assert [(f.cause, f.layer, f.confidence) for f in found] == [
        (cause, "input", Confidence.CERTAIN)
    ]


def test_layers_that_were_printed_tell_of_another_network() -> None:
    right = [
        PrintedLayer(type=t, shape=n.shape)
        for n, t in zip(
            GRAPH.nodes,
            ("Input", "Conv2D", "AvgPool", "Dense", "Softmax", "Output"),
            strict=True,
        )
    ]
    twice = [*right[:5], right[4], right[5]]
    found = target_findings(evidence({}, printed=twice, right=right))
    assert [(f.cause, f.layer) for f in found] == [(Cause.DOUBLE_SOFTMAX, "softmax")]
    valid = [right[0], PrintedLayer(type="Conv2D", shape=(3, 3, 6)), *right[2:]]
    found = target_findings(evidence({}, printed=valid, right=right))
    assert [(f.cause, f.layer) for f in found] == [(Cause.PADDING, "conv")]


def test_an_image_that_holds_other_bytes_is_told_from_a_wrong_kernel() -> None:
    right = {
        "tensor_conv_kernel_0_data": CONV.weight.tobytes(),
        "tensor_conv_bias_0_data": CONV.bias.tobytes(),
        "conv_output_shift": np.array([8], "<i4").tobytes(),
        "conv_bias_shift": np.array([4], "<i4").tobytes(),
    }
    weight = CONV.weight.copy()
    weight[3, 1, 1, :2] += 9
    held = {**right, "tensor_conv_kernel_0_data": weight.tobytes()}
    contents = Contents(right=right, held=held)
    layer = held_layers(GRAPH, contents, interleaved=True)["conv"]
    assert (layer.different, layer.missing, layer.total) == (2, 0, 162 + 6 + 8)
    found = found_in(with_op("conv", weight=weight), contents=contents)
    assert [(f.cause, f.layer, f.confidence) for f in found] == [
        (Cause.DAMAGED_WEIGHTS, "conv", Confidence.CERTAIN)
    ]
    cut = Contents(right=right, held=dict.fromkeys(right, b""), file_bytes=900, needed_bytes=1000)
    found = target_findings(evidence({}, contents=cut, trouble="it does not start"))
    assert [(f.cause, f.layer) for f in found] == [(Cause.TRUNCATED_FLASH, "conv")]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_target_that_is_the_reference_is_healthy(seed: int) -> None:
    graph = random_graph(seed)
    x = np.random.default_rng(seed).integers(-128, 128, (2, *graph.input.shape)).astype(np.int8)
    tensors = {
        name: np.concatenate([run_all_layers(graph, x[i : i + 1])[name] for i in range(2)])
        for name in graph.by_name
    }
    found = TargetEvidence(graph=graph, x=x.reshape(2, -1), tensors=tensors, sizes={})
    assert target_findings(found) == []
    assert all(d.own == d.different == 0 for d in compare_layers(found).values())


# ---- data


def knows(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """A model of images (n, 6, 6, 3) of values from 0 to 1: which of eight patterns they are."""
    distance = np.square(np.clip(x, 0, 1)[:, np.newaxis] - PATTERNS).sum(axis=(2, 3, 4))
    return np.asarray(-distance)


PATTERNS = RNG.uniform(0, 1, (8, 6, 6, 3)).astype(np.float32)
PATTERNS[..., 1] = 0.5  # what stays in its place tells nothing
LABELS = np.arange(200) % 8
IMAGES = np.clip(PATTERNS[LABELS] + RNG.normal(0, 0.05, (200, 6, 6, 3)), 0, 1).astype(np.float32)


def judged(x: npt.NDArray[np.float32], labels: npt.NDArray[np.int64] = LABELS) -> list[Finding]:
    return data_findings(
        DataEvidence(x=x, labels=labels, predict=knows, right=lambda o: o.argmax(axis=1) == labels)
    )


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda x: x / 255, Cause.INPUT_SCALE),
        (lambda x: x * 255, Cause.INPUT_SCALE),
        (lambda x: x[..., ::-1], Cause.CHANNEL_ORDER),
        (lambda x: x.transpose(0, 3, 1, 2).reshape(x.shape), Cause.CHANNEL_ORDER),
        (lambda x: x.swapaxes(1, 2), Cause.PREPROCESSING),
        (lambda x: np.flip(x, 1), Cause.PREPROCESSING),
        (lambda x: 1 - x, Cause.PREPROCESSING),
    ],
)
def test_what_was_done_to_data_is_undone(
    change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]], cause: Cause
) -> None:
    assert judged(IMAGES) == []
    found = judged(np.ascontiguousarray(change(IMAGES)).astype(np.float32))
    assert [f.cause for f in found] == [cause]


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(8)))
def test_renamed_labels_are_told_class_by_class(order: list[int]) -> None:
    found = judged(IMAGES, np.array(order)[LABELS])
    moved = sum(a != b for a, b in enumerate(order))
    if moved / 8 >= 0.15:
        assert [f.cause for f in found] == [Cause.LABEL_ORDER]
        assert f"{moved} mean another output" in found[0].evidence[1]
    else:
        assert found == []


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000))
def test_chance_is_no_cause(seed: int) -> None:
    """Labels and answers without any connection: no change of the data is told."""
    labels = np.random.default_rng(seed).integers(0, 8, 200)
    found = judged(IMAGES, labels)
    assert [(f.cause, f.is_fault) for f in found] == [(Cause.UNKNOWN, False)]
    assert "the float model itself answers only" in found[0].says


def test_each_way_of_spoiling_is_what_its_remedy_undoes() -> None:
    for variant in variants(IMAGES):
        again = variant.apply(variant.spoiling(IMAGES))
        assert np.allclose(again, IMAGES, atol=1e-4, equal_nan=True), variant.was


def test_bytes_of_16_bit_numbers_are_put_right() -> None:
    sound = (IMAGES * 20000).astype(np.int16)
    swapped = sound.byteswap().astype(np.float32)
    found = data_findings(
        DataEvidence(
            x=swapped, labels=LABELS, predict=lambda x: knows(x / 20000),
            right=lambda o: o.argmax(axis=1) == LABELS,
        )
    )  # fmt: skip
    assert [f.cause for f in found] == [Cause.BYTE_ORDER]


def test_ranges_tell_where_there_are_no_labels() -> None:
    unlabelled = DataEvidence(
        x=IMAGES, labels=None, predict=knows, right=None, calibration=IMAGES * 255
    )
    assert [f.cause for f in data_findings(unlabelled)] == [Cause.INPUT_SCALE]
    assert data_findings(replace(unlabelled, calibration=IMAGES * 3)) == []
    labelled = replace(unlabelled, labels=LABELS, right=lambda o: o.argmax(axis=1) == LABELS)
    found = data_findings(labelled)
    assert [f.cause for f in found] == [Cause.INPUT_SCALE]  # of the calibration data


@pytest.mark.parametrize(
    ("confusion", "order"),
    [
        ([[9, 1], [0, 8]], None),
        ([[1, 9], [8, 0]], [1, 0]),
        ([[1, 9], [0, 8]], None),  # both are said to be the second
        ([[0, 5, 0], [0, 0, 7], [0, 0, 0]], [1, 2, 0]),
    ],
)
def test_permutations(confusion: list[list[int]], order: list[int] | None) -> None:
    found = permutation_of(np.array(confusion))
    assert (None if found is None else found.tolist()) == order


# ---- formats


def formats(scale: float) -> tuple[FormatEvidence, list[Finding]]:
    """Float values that are the reference's, but for one channel of the convolution."""
    codes = run_all_layers(GRAPH, X)
    floats = {n.name: codes[n.name] * 2.0**-n.dec for n in GRAPH.nodes[:-1]}
    channel = floats["conv"].copy()
    channel[..., 4] *= scale
    found = FormatEvidence(
        graph=GRAPH, floats={**floats, "conv": channel}, codes=codes, chooses=False
    )
    return found, format_findings(found, compare_formats(found))


def test_a_format_that_holds_all_is_no_cause() -> None:
    found, findings = formats(1.0)
    assert findings == []
    layers = {layer.name: layer for layer in compare_formats(found)}
    assert layers["conv"].sqnr_db == 100.0
    assert sum(layers["conv"].histogram) == X.shape[0] * 4 * 4 * 6


def test_a_channel_beyond_its_format_is_named() -> None:
    _, findings = formats(40.0)
    assert [(f.cause, f.layer, f.is_fault) for f in findings] == [
        (Cause.SATURATION, "conv", False)  # for the outputs lose nothing here
    ]
    assert "channel 4 of conv is saturated" in findings[0].says


# ---- consoles


def test_a_console_tells_of_constant_answers_and_of_renamed_classes() -> None:
    constant = np.zeros((4, 4), np.int64)
    constant[:, 2] = 25
    found = printed_findings(PrintedEvidence(confusion=constant))
    assert [f.cause for f in found] == [Cause.CONSTANT_OUTPUT]
    renamed = 24 * np.eye(4, dtype=np.int64)[[1, 0, 3, 2]] + 1
    found = printed_findings(PrintedEvidence(confusion=renamed))
    assert [f.cause for f in found] == [Cause.LABEL_ORDER]
    assert printed_findings(PrintedEvidence(confusion=24 * np.eye(4, dtype=np.int64) + 1)) == []


# ---- what users get wrong


def said(capsys: pytest.CaptureFixture[str], *args: str | Path) -> str:
    assert run_app(list(map(str, args))) == 2
    return capsys.readouterr().err


def test_files_that_explain_and_replay_cannot_take_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text"
    text.write_text("no header")
    where = ["--board", "native"]
    told = said(capsys, "run", *where, "--weights", text, "--out", tmp_path / "runs")
    assert "not a header that NNoM's converter or nnom-hil convert writes" in told
    assert "cannot read it" in said(capsys, "run", *where, "--weights", tmp_path / "none")
    assert "not a reproducer that explain wrote" in said(capsys, "replay", text)
    assert "there is no such file" in said(
        capsys, "explain", "digits", "--image", tmp_path / "none", *where
    )
    assert "name one model" in said(capsys, "explain", "digits", "--model", "gru")


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "image.elf"
    for data, message in ((b"MZ", "not an ELF file"), (b"\x7fELF\1\1", "no whole ELF header")):
        file.write_bytes(data)
        with pytest.raises(UsageError, match=message):
            constants_of(file)


def test_a_reproducer_is_what_was_written(tmp_path: Path) -> None:
    single, x = alone(GRAPH, GRAPH.by_name["dense"], [run_all_layers(GRAPH, X)["pool"][:1]])
    held = QGraph(name=single.name, nodes=tuple(
        replace(n, op=replace(n.op, output_shift=(9,))) if isinstance(n.op, QDense) else n
        for n in single.nodes
    ))  # fmt: skip
    small, small_x, small_held, got = shrink(single, x, held, _no_target, compat=False)
    assert isinstance(small.nodes[1].op, QDense)
    assert len(small.nodes[1].op.weight) == 1
    expected = run_all_layers(small, small_x)[small.output.name].reshape(-1)
    case = Reproducer(
        graph=small, held=small_held, x=small_x, expected=expected, got=got, board="native",
        library=Library(), header=HeaderOptions(), compat=False, model="net", layer="dense",
        says="its shift is wrong",
    )  # fmt: skip
    assert case.first == (0, int(expected[0]), int(got[0]))
    file = tmp_path / "case.npz"
    file.write_bytes(save_reproducer(case))
    again = load_reproducer(file)
    assert again.graph.content_hash == small.content_hash
    assert again.held is not None
    assert again.built.content_hash == again.held.content_hash != small.content_hash
    assert (again.library, again.header, again.says) == (case.library, case.header, case.says)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(UsageError, match="not a reproducer that explain wrote"):
        load_reproducer(file)


def _no_target(graph: QGraph, x: Int8) -> Int8:
    raise AssertionError("where the firmware's weights are known, nothing needs to be built")
