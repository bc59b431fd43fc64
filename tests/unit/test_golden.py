"""NNoM 0.4.3's recorded behaviour, by the NumPy reference and by the C library."""

import zlib
from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pytest
from tests.support.golden import GoldenCase, load_golden
from tests.support.native import Runner

from nnom_hil.model.graph import Padding
from nnom_hil.model.qgraph import Int8, QConv, QRnn
from nnom_hil.model.reference import run_all_layers

CASES = load_golden()
# NNOM_COMPAT.md section 6, [FIX]: right in both behaviours, so the recorded fault is not matched.
# Its transposed convolution is no transposed convolution (3.6), whatever the case.
FIXED = {"upsample_non_square_factor", "sumpool_output_not_written"}
MATCHED = [c for c in CASES if not c.defects & FIXED and c.op != "conv2d_trans"]
OPS = sorted({case.op for case in MATCHED})


def test_recorded_set_is_whole() -> None:
    assert len(CASES) == 498
    assert len(MATCHED) == 498 - 26 - 9 - 2


@pytest.mark.parametrize("case", MATCHED, ids=lambda c: c.id)
def test_reference_equals_recording(case: GoldenCase) -> None:
    layers = run_all_layers(case.graph, case.x, compat=True)
    np.testing.assert_array_equal(layers[case.graph.output.name], case.y)
    for name, recorded in case.crc32.items():
        assert [zlib.crc32(run.tobytes()) for run in layers[name]] == recorded, name


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner.build(tmp_path_factory.mktemp("native"), compat=True)


@pytest.mark.parametrize("op", OPS)
def test_c_library_equals_recording(op: str, runner: Runner) -> None:
    cases = [case for case in MATCHED if case.op == op]
    wrong = defaultdict(list)
    for case, run in zip(cases, runner.run([(c.graph, c.x) for c in cases]), strict=True):
        assert run.compile_status == 0, case.id
        if run.order != case.run_order:
            wrong[case.id].append("run order")
        for name, recorded in case.crc32.items():
            if [zlib.crc32(r.tobytes()) for r in run.layers[name]] != recorded:
                wrong[case.id].append(name)
    assert not wrong


def test_what_nnom_gets_wrong_is_the_same_in_library_and_reference(runner: Runner) -> None:
    cases = [case for case in CASES if case not in MATCHED]
    for case, run in zip(cases, runner.run([(c.graph, c.x) for c in cases]), strict=True):
        expected = run_all_layers(case.graph, case.x, compat=True)[case.graph.output.name]
        np.testing.assert_array_equal(
            run.layers[case.graph.output.name], expected.reshape(len(case.x), -1)
        )


@pytest.mark.parametrize("case", [c for c in CASES if "sum" in c.op], ids=lambda c: c.id)
def test_sums_are_the_recorded_ones_shifted_into_range(case: GoldenCase) -> None:
    assert case.sums is not None
    y = run_all_layers(case.graph, case.x, compat=True)[case.graph.output.name]
    for got, sums in zip(y.reshape(len(y), -1), case.sums.reshape(len(y), -1), strict=True):
        shift = next(s for s in range(32) if 127 * (1 + s) >= np.abs(sums).max())
        np.testing.assert_array_equal(got, sums >> shift)


def scatter(op: QConv, x: Int8, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Keras' definition, cell by cell: each input adds its multiple of the kernel."""
    (sh, sw), (dh, dw), (kh, kw) = op.stride, op.dilation, op.kernel
    same = op.padding is Padding.SAME
    top = max((kh - 1) * dh + 1 - sh, 0) // 2 if same else 0
    left = max((kw - 1) * dw + 1 - sw, 0) // 2 if same else 0
    total = np.zeros(shape, np.int64)
    for i, j, m, n in np.ndindex(*x.shape[:2], kh, kw):
        y, column = i * sh + m * dh - top, j * sw + n * dw - left
        if 0 <= y < shape[0] and 0 <= column < shape[1]:
            total[y, column] += op.weight[:, m, n].astype(np.int64) @ x[i, j].astype(np.int64)
    return total


@pytest.mark.parametrize("case", [c for c in CASES if c.op == "conv2d_trans"], ids=lambda c: c.id)
def test_transposed_convolution_is_keras(case: GoldenCase) -> None:
    node = next(n for n in case.graph.nodes if isinstance(n.op, QConv))
    op, source = node.op, case.graph.by_name[node.inputs[0]]
    assert isinstance(op, QConv)
    layers = run_all_layers(case.graph, case.x)
    bias = np.zeros(len(op.weight), np.int64) if op.bias is None else op.bias.astype(np.int64)
    shift = np.array(op.output_shift)
    for x, y in zip(layers[source.name], layers[node.name], strict=True):
        total = scatter(op, x.reshape((1, 1, 1, *x.shape)[-3:]), node.shape)
        total = total + (bias << np.array(op.bias_shift)) + ((1 << shift) >> 1)
        expected = np.clip(total >> shift, -128, 127)
        if node.tail is None:
            np.testing.assert_array_equal(y, expected)


def has_this_defect_only(case: GoldenCase) -> bool:
    """Whether the recorded right output differs from NNoM's by nothing but the tagged defect."""
    for node in case.graph.nodes:
        # other faults of NNoM's: its tables become a step, backward sequences stay in time order
        if isinstance(node.op, QRnn) and (node.op.sum_dec < 4 or node.op.go_backwards):
            return False
    return case.right is not None and case.op in {"dense", "rnn_simple", "upsample"}


@pytest.mark.parametrize("case", [c for c in CASES if has_this_defect_only(c)], ids=lambda c: c.id)
def test_default_behaviour_is_the_recording_without_its_defect(case: GoldenCase) -> None:
    y = run_all_layers(case.graph, case.x, compat=False)[case.graph.output.name]
    np.testing.assert_array_equal(y, case.right)
