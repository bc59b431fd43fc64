"""Printed tables, character by character, for all recorded and many random models; and memory."""

import re

import pytest
from tests.support.golden import load_golden
from tests.support.native import NativeRun, Runner
from tests.support.random_graphs import random_graph, random_inputs
from tests.support.tables import tables

from nnom_hil.model.qgraph import Int8, QConv, QGraph

RANDOM = 150


@pytest.fixture(scope="module", params=[False, True], ids=["right", "compat"])
def printed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bool, list[tuple[QGraph, NativeRun]]]:
    compat = bool(request.param)
    graphs: list[tuple[QGraph, Int8]] = [(c.graph, c.x[:1]) for c in load_golden()]
    graphs += [(g, random_inputs(g, 1, 1)) for g in (random_graph(s) for s in range(RANDOM))]
    runner = Runner.build(tmp_path_factory.mktemp("native"), compat=compat)
    return compat, list(zip((g for g, _ in graphs), runner.run(graphs), strict=True))


def test_text_is_the_specifications(printed: tuple[bool, list[tuple[QGraph, NativeRun]]]) -> None:
    compat, runs = printed
    for graph, run in runs:
        expected = tables(graph, compat=compat, buffer_size=run.buffer_size)
        text = re.sub(r"(Total memory(?: occupied)?: ?)\d+", r"\1?", run.text)
        assert text == expected.compile_log + expected.model_stat + expected.io_format
        assert run.order == expected.order


def scratch_of(graph: QGraph) -> int:
    """Bytes that a kernel in C99 asks for at most: a convolution's window."""
    windows = [
        node.op.weight[0].size
        for node in graph.nodes
        if isinstance(node.op, QConv) and not node.op.depthwise and not node.op.transposed
    ]
    return (max(windows, default=0) + 7) // 8 * 8


def test_buffer_never_takes_more_than_the_blocks_and_scratch(
    printed: tuple[bool, list[tuple[QGraph, NativeRun]]],
) -> None:
    compat, runs = printed
    planned = blocks = 0
    for graph, run in runs:
        block_bytes = tables(graph, compat=compat, buffer_size=run.buffer_size).block_bytes
        beside = 0 if compat else scratch_of(graph)  # in the blocks, or behind them
        assert run.buffer_size <= block_bytes + beside
        planned += run.buffer_size
        blocks += block_bytes
    # NNoM's own scheme in compat mode, where programs may look into its blocks
    assert planned == blocks if compat else planned < 0.92 * blocks
