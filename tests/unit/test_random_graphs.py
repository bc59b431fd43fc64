"""Random networks: the NumPy reference and the C library give the same bytes, layer by layer."""

import os

import numpy as np
import pytest
from tests.support.native import Runner
from tests.support.random_graphs import random_graph, random_inputs

from nnom_hil.model.qgraph import load_qgraph, save_qgraph
from nnom_hil.model.reference import run_all_layers

COUNT = 5000 if os.environ.get("NNOM_HIL_NIGHTLY") else 400
BATCH = 100


@pytest.fixture(scope="module", params=[False, True], ids=["right", "compat"])
def behaviour(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bool, Runner]:
    compat = bool(request.param)
    return compat, Runner.build(tmp_path_factory.mktemp("native"), compat=compat)


@pytest.mark.parametrize("batch", range(COUNT // BATCH))
def test_reference_and_library_agree(batch: int, behaviour: tuple[bool, Runner]) -> None:
    compat, runner = behaviour
    graphs = [random_graph(seed) for seed in range(batch * BATCH, (batch + 1) * BATCH)]
    inputs = [random_inputs(graph, seed, 2) for seed, graph in enumerate(graphs)]
    runs = runner.run(list(zip(graphs, inputs, strict=True)))
    for seed, (graph, x, run) in enumerate(zip(graphs, inputs, runs, strict=True)):
        assert run.compile_status == 0, (batch * BATCH + seed, run.text)
        expected = run_all_layers(graph, x, compat=compat)
        for name, values in run.layers.items():
            np.testing.assert_array_equal(
                values,
                expected[name].reshape(len(x), -1),
                err_msg=f"seed {batch * BATCH + seed}, layer {name}: {graph.by_name[name]}",
            )


def test_generator_makes_every_operation() -> None:
    ops = {type(node.op).__name__ for seed in range(300) for node in random_graph(seed).nodes}
    assert ops >= {
        "QConv", "QDense", "QActivation", "Pool", "GlobalPool", "ZeroPadding", "Cropping",
        "UpSample", "Reshape", "Flatten", "Softmax", "Concat", "Merge",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_graph_survives_the_disk(seed: int) -> None:
    graph = random_graph(seed)
    loaded = load_qgraph(save_qgraph(graph))
    assert loaded.content_hash == graph.content_hash
    assert save_qgraph(loaded) == save_qgraph(graph)
    x = random_inputs(graph, seed, 2)
    for name, values in run_all_layers(graph, x).items():
        np.testing.assert_array_equal(values, run_all_layers(loaded, x)[name])
