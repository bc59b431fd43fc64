"""No kernel takes more instructions than it did: exact counts against reports/baselines."""

import json
import subprocess
from pathlib import Path

import pytest

from nnom_hil.boards import find_board
from nnom_hil.build import Kernels, Library
from nnom_hil.errors import TargetError, ToolError, UsageError
from nnom_hil.profiler import plugin
from nnom_hil.run.kernel_bench import (
    KernelCase,
    KernelCounts,
    compare_counts,
    count_kernels,
    load_baseline,
    peer_figures,
    update_baseline,
)
from tests.integration.test_cores import CORES
from tests.support.emulated import BOARDS
from tests.support.native import ROOT

BASELINE = ROOT / "reports" / "baselines" / "kernels.json"
COUNTED = ("M0", "M3", "M4", "M55")


@pytest.mark.parametrize("core", COUNTED)
def test_no_kernel_became_slower(core: str) -> None:
    counts = count_kernels(find_board(CORES[core], BOARDS))
    worse = compare_counts(counts, load_baseline(BASELINE))
    if worse is None:
        pytest.skip(f"the baseline knows no counts by {counts.tool}")
    assert worse == []
    assert all(case.scratch <= 16384 for case in counts.cases)


def test_counts_are_the_same_in_every_run_and_plain_kernels_are_slower() -> None:
    board = find_board("stm32f4")
    first, second = count_kernels(board), count_kernels(board)
    assert first == second
    plain = count_kernels(board, Library(kernels=Kernels.PLAIN))
    baseline = {first.tool: {first.core: {c.name: c.instructions for c in first.cases}}}
    worse = compare_counts(plain, baseline)
    assert worse is not None
    assert len(worse) > len(first.cases) / 2


def counts(**instructions: int) -> KernelCounts:
    cases = [
        KernelCase(name=name, instructions=n, cycles=2.0 * n, work=100, unit="MAC", scratch=0)
        for name, n in instructions.items()
    ]
    return KernelCounts(
        board="b", core="cortex-m4", error_percent=10,
        compiler="arm-none-eabi-gcc (x) 12.2.1 20221205",
        kernels="ours", cases=tuple(cases), text={},
    )  # fmt: skip


def test_one_per_cent_is_allowed_and_what_is_worse_is_named(tmp_path: Path) -> None:
    file = tmp_path / "base.json"
    update_baseline(file, counts(conv=1000, add=1000, gone=5))
    known = load_baseline(file)
    assert compare_counts(counts(conv=1010, add=900, gone=5), known) == []
    assert compare_counts(counts(conv=1011, add=1000, new=1), known) == [
        "conv: 1011 instructions, 1000 before, +1.1%",
        "gone: is not counted any more",
    ]
    assert compare_counts(counts(conv=1), {}) is None


def test_other_cores_and_compilers_stay_in_the_baseline(tmp_path: Path) -> None:
    file = tmp_path / "base.json"
    file.write_text(
        json.dumps(
            {
                "schema": "nnom-hil/kernels/1",
                "instructions": {"gcc 14": {"cortex-m0": {"conv": 7}}},
            }
        )
    )
    update_baseline(file, counts(conv=1))
    assert load_baseline(file) == {
        "gcc 12": {"cortex-m4": {"conv": 1}},
        "gcc 14": {"cortex-m0": {"conv": 7}},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a baseline of kernels"),
        ("[]", "not a baseline of kernels"),
        ('{"schema": "x"}', "schema 'x'"),
        (
            '{"schema": "nnom-hil/kernels/1", "instructions": {"gcc": {"m": {"c": "x"}}}}',
            "--update",
        ),
    ],
)
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "base.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_baseline(file)
    with pytest.raises(UsageError, match="cannot read the baseline: No such file"):
        load_baseline(tmp_path / "none.json")


def test_boards_that_cannot_count_are_named() -> None:
    with pytest.raises(TargetError, match="instructions are counted in QEMU"):
        count_kernels(find_board("native"))


def test_every_peer_has_cases_that_there_are() -> None:
    source = (ROOT / "firmware" / "bench" / "kernels_main.c").read_text()
    for core in ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"):
        figures = peer_figures(core)
        assert "goal" in figures
        for cases in figures.values():
            assert all(f'"{name}"' in source for name in cases)


def test_qemu_without_plugins_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = "qemu-system-arm: -plugin: invalid option"
    monkeypatch.setattr(plugin, "run_tool", _tool(said))
    with pytest.raises(ToolError, match="built without TCG plugins"):
        plugin._fitting(tmp_path / "blocks.c", tmp_path / "blocks.so")


def test_the_interface_that_qemu_asks_for_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    said = (
        "Could not load plugin blocks.so: plugin requires API version 1, but this QEMU supports "
        "only a minimum version of 2"
    )
    monkeypatch.setattr(plugin, "run_tool", _tool(said, asked, until="-DAPI=2"))
    assert plugin._fitting(tmp_path / "blocks.c", tmp_path / "blocks.so").name == "blocks.so"
    assert [word for word in asked if word.startswith("-DAPI")] == ["-DAPI=1", "-DAPI=2"]


def _tool(said: str, asked: list[str] | None = None, until: str = "never") -> object:
    """Return a stand-in for run_tool, whose QEMU fails until the compiler was told a word."""
    seen = [] if asked is None else asked

    def run_tool(argv: list[object], *, deadline: object) -> str:
        seen.extend(str(word) for word in argv)
        if argv[0] == "cc" or until in seen:
            return ""
        raise ToolError("qemu-system-arm: failed with exit code 1", output=said)

    return run_tool


def test_plugin_compiles_without_warnings(tmp_path: Path) -> None:
    source = ROOT / "firmware" / "profiler" / "blocks.c"
    flags = ["-std=c11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run(["cc", *flags, source, "-o", tmp_path / "blocks.so"], check=True)
