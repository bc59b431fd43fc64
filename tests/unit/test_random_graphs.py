"""Random layers and networks: the NumPy reference and the C library give the same bytes."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.native import Format, Runner
from tests.support.random_graphs import (
    KINDS,
    random_graph,
    random_inputs,
    random_layer,
    with_zero_padding,
)

from nnom_hil.codegen.layouts import stored_order
from nnom_hil.errors import ModelError
from nnom_hil.model.qgraph import QGraph, in_run_order, load_qgraph, save_qgraph
from nnom_hil.model.reference import run_all_layers

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
BATCH = 50
LAYERS = 20_000 if NIGHTLY else 1000
MODELS = 2000 if NIGHTLY else 400
batches = st.lists(st.integers(0, 2**32 - 1), min_size=BATCH, max_size=BATCH, unique=True)


def exactly(cases: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Draw that many cases, always the same ones."""
    return settings(
        max_examples=cases // BATCH,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", params=[False, True], ids=["right", "compat"])
def behaviour(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bool, Runner]:
    compat = bool(request.param)
    return compat, Runner.build(tmp_path_factory.mktemp("native"), compat=compat)


def compare(
    behaviour: tuple[bool, Runner], make: Callable[[int], QGraph], seeds: list[int]
) -> None:
    compat, runner = behaviour
    graphs = [make(seed) for seed in seeds]
    inputs = [random_inputs(graph, seed, 2) for seed, graph in zip(seeds, graphs, strict=True)]
    runs = runner.run(list(zip(graphs, inputs, strict=True)))
    for seed, graph, x, run in zip(seeds, graphs, inputs, runs, strict=True):
        assert run.compile_status == 0, (seed, run.text)
        expected = run_all_layers(graph, x, compat=compat)
        assert set(run.layers) == set(expected)
        ordered = in_run_order(graph)
        assert run.order == tuple(ordered.by_name), seed
        assert in_run_order(ordered) == ordered
        decs = graph.library_decs(compat=compat)
        for node in graph.nodes:
            told = Format(dec=decs[node.name], bitwidth=8, shape=node.shape)
            assert run.formats[node.name] == told, (seed, node)
        np.testing.assert_array_equal(run.results, run.layers[graph.output.name])
        for name, values in run.layers.items():
            np.testing.assert_array_equal(
                values,
                expected[name].reshape(len(x), -1),
                err_msg=f"seed {seed}, layer {name}: {graph.by_name[name]}",
            )


@exactly(LAYERS // 2)
@given(seeds=batches)
def test_single_layers_agree(behaviour: tuple[bool, Runner], seeds: list[int]) -> None:
    compare(behaviour, random_layer, seeds)


def test_seed_that_once_failed(behaviour: tuple[bool, Runner]) -> None:
    """2300: a tail that scales by dec, on an activation layer with a format of its own."""
    compare(behaviour, random_layer, [2300])


@exactly(MODELS // 2)
@given(seeds=batches)
def test_whole_models_agree(behaviour: tuple[bool, Runner], seeds: list[int]) -> None:
    compare(behaviour, random_graph, seeds)


@pytest.fixture(scope="module", params=[False, True], ids=["right", "compat"])
def channel_first(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bool, Runner]:
    compat = bool(request.param)
    folder = tmp_path_factory.mktemp("chw")
    return compat, Runner.build(folder, compat=compat, channel_first=True)


@exactly(400)
@given(seeds=batches)
def test_channel_first_builds_agree(channel_first: tuple[bool, Runner], seeds: list[int]) -> None:
    """The same results in another order in memory; NNoM itself leaves its output in that order."""
    compat, runner = channel_first
    graphs = [random_graph(seed) for seed in seeds[:25]] + [random_layer(s) for s in seeds[25:]]
    graphs = [with_zero_padding(graph) for graph in graphs]  # such builds have no other
    inputs = [random_inputs(graph, seed, 2) for seed, graph in zip(seeds, graphs, strict=True)]
    runs = runner.run(list(zip(graphs, inputs, strict=True)))
    for seed, graph, x, run in zip(seeds, graphs, inputs, runs, strict=True):
        assert run.compile_status == 0, (seed, run.text)
        assert "Data format: Channel first (CHW)" in run.text
        for name, values in run_all_layers(graph, x, compat=compat).items():
            flat = values.reshape(len(x), -1)[:, stored_order(graph.by_name[name].shape)]
            np.testing.assert_array_equal(run.layers[name], flat, err_msg=f"seed {seed}, {name}")
        given_back = flat if compat else values.reshape(len(x), -1)
        np.testing.assert_array_equal(run.results, given_back, err_msg=f"seed {seed}")


def test_generators_make_every_operation() -> None:
    wanted = {
        "QConv", "QDense", "QActivation", "Pool", "GlobalPool", "ZeroPadding", "Cropping",
        "UpSample", "Reshape", "Flatten", "QSoftmax", "Concat", "Merge", "QRnn", "Copy",
    }  # fmt: skip
    for make in (random_graph, random_layer):
        graphs = [make(seed) for seed in range(600)]
        assert {type(node.op).__name__ for graph in graphs for node in graph.nodes} >= wanted
    assert len(KINDS) == 17


@pytest.mark.parametrize("seed", range(20))
def test_graph_survives_the_disk(seed: int) -> None:
    graph = random_graph(seed)
    loaded = load_qgraph(save_qgraph(graph))
    assert loaded.content_hash == graph.content_hash
    assert save_qgraph(loaded) == save_qgraph(graph)
    x = random_inputs(graph, seed, 2)
    for name, values in run_all_layers(graph, x).items():
        np.testing.assert_array_equal(values, run_all_layers(loaded, x)[name])


JUNK = st.none() | st.integers(-3, 3) | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_graph_is_refused_or_read(data: st.DataObject) -> None:
    """Whatever the document says: a graph, or ModelError."""
    with np.load(BytesIO(save_qgraph(random_graph(0))), allow_pickle=False) as npz:
        arrays = {name: npz[name] for name in npz.files}
    document = json.loads(arrays.pop("document").tobytes())
    node = data.draw(st.sampled_from(document["nodes"]))
    key = data.draw(st.sampled_from(sorted(node)))
    marks = st.sampled_from(["$type", "$array", "$enum"])
    node[key] = data.draw(JUNK | st.dictionaries(marks, JUNK))
    for name in data.draw(st.sets(st.sampled_from(["schema", "name", "nodes"]), max_size=1)):
        del document[name]
    text = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
    packed = BytesIO()
    np.savez(packed, allow_pickle=False, document=text, **arrays)
    with suppress(ModelError):
        load_qgraph(packed.getvalue())


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_file_that_is_cut_or_changed_is_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(save_qgraph(random_graph(0)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with suppress(ModelError):
        load_qgraph(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
