"""What layers gave on the target: fetched whole over any line, and held against the reference."""

import itertools
from io import BytesIO
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.random_graphs import random_graph, random_inputs

from nnom_hil.codegen.layouts import Layout
from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError, UsageError
from nnom_hil.link.client import AgentClient, AgentRefusedError
from nnom_hil.link.frame import AgentError, FrameType
from nnom_hil.model.qgraph import Int8, QGraph
from nnom_hil.model.reference import run_all_layers
from nnom_hil.run.plan import Plan
from nnom_hil.run.runner import Run
from nnom_hil.run.tensors import check_tensors, fetch_tensors, tensors_npz, wanted_layers
from nnom_hil.target.fake import FakeFaults, FakeModel, FakeTarget


def connect(tensors: tuple[bytes, ...], faults: FakeFaults | None = None) -> AgentClient:
    model = FakeModel(infer=lambda x: x, input_shape=(1, 1, 8), output_shape=(8,), tensors=tensors)
    target = FakeTarget(model, faults)
    target.start(None, Deadline.after(1))  # type: ignore[arg-type]  # the fake takes no image
    nonces = itertools.count(1)
    client = AgentClient(target, nonce=lambda: next(nonces), retry_s=0.01, give_up_s=0.3)
    client.hello(timeout_s=1)
    return client


def graph_and_input(seed: int = 3) -> tuple[QGraph, Int8]:
    graph = random_graph(seed)
    return graph, random_inputs(graph, 1, seed)


def outputs(graph: QGraph, x: Int8) -> dict[str, Int8]:
    return {name: y[0] for name, y in run_all_layers(graph, x).items()}


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(0, 5000),
    lost=st.sets(st.integers(1, 12), max_size=4),
    damaged=st.sets(st.integers(1, 12), max_size=4),
)
def test_tensors_come_whole_whatever_the_line_does(
    size: int, lost: set[int], damaged: set[int]
) -> None:
    data = np.random.default_rng(size).bytes(size)
    client = connect((b"x", data), FakeFaults(drop_answers=lost, damage_answers=damaged))
    assert client.tensor(1) == data


def test_a_layer_that_is_none_is_refused() -> None:
    with pytest.raises(AgentRefusedError) as refused:
        connect((b"x",)).tensor(1)
    assert refused.value.code == AgentError.ARGUMENT


def test_a_tensor_that_changes_meanwhile_is_no_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect((bytes(3000),))
    ask = client._request
    count = itertools.count()

    def request(kind: FrameType, body: bytes = b"", **more: float) -> object:
        answer = ask(kind, body, **more)  # type: ignore[arg-type]
        if kind is FrameType.TENSOR and next(count) == 1:
            changed = answer.body[:-1] + b"\1"
            return type(answer)(answer.type, answer.seq, answer.boot_id, changed)
        return answer

    monkeypatch.setattr(client, "_request", request)
    with pytest.raises(LinkError, match="layer 0 gave changed while it was fetched"):
        client.tensor(0)


def test_names_are_layers_in_run_order() -> None:
    graph, _ = graph_and_input()
    names = tuple(node.name for node in graph.nodes)
    assert wanted_layers(graph, None) == ()
    assert wanted_layers(graph, "all") == names
    assert wanted_layers(graph, f"{names[2]}, {names[1]}") == names[1:3]
    with pytest.raises(UsageError, match=f"'{names[1]}x': the model has no such layer.*did you"):
        wanted_layers(graph, f"{names[1]}x")


@pytest.mark.parametrize("layout", Layout)
def test_tensors_have_their_layers_shapes_in_any_layout(layout: Layout) -> None:
    graph, x = graph_and_input()
    right = outputs(graph, x)
    sent = []
    for node in graph.nodes:
        y = right[node.name].reshape(node.shape)
        sent.append((np.moveaxis(y, -1, 0) if layout is Layout.CHW else y).tobytes())
    wanted = wanted_layers(graph, "all")
    tensors = fetch_tensors(connect(tuple(sent)), graph, x[0], wanted, layout)
    assert list(tensors) == list(wanted)
    for node in graph.nodes:
        assert tensors[node.name].shape == node.shape
    assert check_tensors(graph, x[0], tensors, compat=False).ok
    with np.load(BytesIO(tensors_npz(tensors))) as kept:
        assert all((kept[name] == tensors[name]).all() for name in wanted)


def test_the_first_layer_that_differs_is_named() -> None:
    graph, x = graph_and_input()
    tensors = {name: y.copy() for name, y in outputs(graph, x).items()}
    wrong = [node.name for node in graph.nodes][1:3]
    for name in wrong:
        tensors[name].ravel()[-1] ^= 1
    check = check_tensors(graph, x[0], tensors, compat=False)
    size = tensors[wrong[0]].size
    assert not check.ok
    assert (
        f"{wrong[0]} is the first that is not the reference's: 1 of {size} values" in check.detail
    )
    assert f"the first at {size - 1}: expected" in check.detail


def test_a_tensor_of_another_size_is_another_model() -> None:
    graph, x = graph_and_input()
    with pytest.raises(TargetError, match=r"gave 3 bytes on the target, expected \d+"):
        fetch_tensors(connect((b"abc",)), graph, x[0], (graph.nodes[0].name,), Layout.HWC)


def test_a_run_that_asked_for_no_layers_says_so() -> None:
    run = Run.__new__(Run)
    run.plan = cast(Plan, SimpleNamespace(tensors=()))
    with pytest.raises(UsageError, match="open the run with tensors=all, or names"):
        run.fetch_tensors()


def test_firmware_from_before_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = graph_and_input()
    client = connect(())

    def refuse(layer: int) -> bytes:
        raise AgentRefusedError(AgentError.UNKNOWN_TYPE, FrameType.TENSOR)

    monkeypatch.setattr(client, "tensor", refuse)
    with pytest.raises(TargetError, match="it was built before it could"):
        fetch_tensors(client, graph, x[0], (graph.nodes[0].name,), Layout.HWC)
