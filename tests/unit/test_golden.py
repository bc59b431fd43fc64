"""NNoM 0.4.3's recorded behaviour, by the NumPy reference and by the C library."""

import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from tests.support.golden import GoldenCase, load_golden
from tests.support.native import Runner

from nnom_hil.model.reference import run_all_layers

CASES = load_golden()
# NNOM_COMPAT.md section 6, [FIX]: right in both behaviours, so the recorded fault is not matched
FIXED = {"upsample_non_square_factor"}
MATCHED = [case for case in CASES if not case.defects & FIXED]
OPS = sorted({case.op for case in MATCHED})


def test_recorded_set_is_whole() -> None:
    assert len(CASES) == 385
    assert len(MATCHED) == 383


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


def test_upsampling_with_unequal_factors_is_right_in_both_behaviours(
    tmp_path: Path, runner: Runner
) -> None:
    cases = [case for case in CASES if case.defects & FIXED]
    for case, run in zip(cases, runner.run([(c.graph, c.x) for c in cases]), strict=True):
        expected = run_all_layers(case.graph, case.x, compat=True)[case.graph.output.name]
        np.testing.assert_array_equal(
            run.layers[case.graph.output.name], expected.reshape(len(case.x), -1)
        )
