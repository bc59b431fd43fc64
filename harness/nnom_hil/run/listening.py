"""A firmware that may be anything, listened to: what it says it is, answers, and gives by layer.

Unlike a run it refuses nothing: another model, another image and a target that ends are what is
looked for.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nnom_hil.codegen.layouts import Layout
from nnom_hil.errors import LinkError, TargetError, ToolError
from nnom_hil.link.client import AgentClient, AgentRefusedError, Vector
from nnom_hil.link.messages import Hello
from nnom_hil.model.qgraph import Int8, QGraph
from nnom_hil.target.base import Target
from nnom_hil.target.session import Session

__all__ = ["Heard", "Script", "listen"]

_TENSOR_BYTES = 2 << 20
_FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to ask for. x: (n, inputs). answers: vectors to stream. with_tensors: how many vectors
    to fetch all layers of; pick chooses them, from the outputs by vector.
    """

    graph: QGraph
    x: Int8
    layout: Layout
    answers: Sequence[int]
    with_tensors: int
    pick: Callable[[dict[int, bytes], int], list[int]]


@dataclass(slots=True, kw_only=True)
class Heard:
    """What came. outputs: by vector. picked: the vectors that tensors are of; tensors: each
    layer's, a row a vector. sizes: bytes that layers gave, where they are not the model's.
    untold: why there are no tensors. trouble: what ended it.
    """

    hello: Hello | None = None
    outputs: dict[int, bytes] = field(default_factory=dict)
    picked: list[int] = field(default_factory=list)
    tensors: dict[str, Int8] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    untold: str | None = None
    console: str = ""
    trouble: str | None = None


def listen(target: Target, elf: Path, script: Script) -> Heard:
    """Run an image and ask for what the script has; what goes wrong is what is told."""
    heard, texts = Heard(), list[str]()
    nonce = random.SystemRandom()
    session = Session(target, elf, None, on_text=texts.append, nonce=lambda: nonce.getrandbits(32))
    try:
        with session:
            heard.hello = session.hello
            _ask(session.client, session.hello, script, heard)
    except (TargetError, ToolError, LinkError) as exc:
        heard.trouble = str(exc)
    heard.console = "".join(texts).replace("\r\n", "\n")
    return heard


def _ask(client: AgentClient, hello: Hello, script: Script, heard: Heard) -> None:
    graph = script.graph
    if not hello.model_ready:
        heard.trouble = "NNoM refused to compile the model"
        return
    if hello.input_bytes != graph.input.size:
        heard.untold = f"the firmware takes {hello.input_bytes} bytes, the model {graph.input.size}"
        return
    vectors = (Vector(index=i, data=script.x[i].tobytes()) for i in script.answers)
    for result in client.stream(vectors, in_order=graph.is_stateful):
        heard.outputs[result.index] = result.output
    try:
        for vector in script.pick(heard.outputs, _room(graph, script.with_tensors)):
            heard.picked.append(vector)
            _fetch(client, hello, script, heard)
    except AgentRefusedError as exc:
        heard.picked.clear()
        heard.tensors.clear()
        heard.untold = f"the firmware does not tell what layers give (error {exc.code})"


def _room(graph: QGraph, wanted: int) -> int:
    """Return for how many vectors there is room to fetch all tensors: links are slow."""
    each = sum(node.size for node in graph.nodes)
    return max(min(wanted, _FEWEST), min(wanted, _TENSOR_BYTES // each))


def _fetch(client: AgentClient, hello: Hello, script: Script, heard: Heard) -> None:
    graph = script.graph
    client.time_layers(script.x[heard.picked[-1]].tobytes(), quiet=False)
    for number, node in enumerate(graph.nodes[: hello.layers]):
        data = client.tensor(number)
        if len(data) != node.size:
            heard.sizes[node.name] = len(data)
            continue
        tensor = np.frombuffer(data, dtype=np.int8)
        if script.layout is Layout.CHW:
            tensor = np.moveaxis(tensor.reshape(node.shape[-1], *node.shape[:-1]), 0, -1)
        row = tensor.reshape(1, *node.shape)
        known = heard.tensors.get(node.name)
        heard.tensors[node.name] = row if known is None else np.concatenate([known, row])
