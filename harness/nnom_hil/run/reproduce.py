"""A fault cut down to a network of one layer and one input, kept in a file and run again.

The file is an .npz: a document in JSON, the graph that is right, where they are known the weights
that the firmware has instead, and the bytes.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from nnom_hil.boards import Board
from nnom_hil.build import Kernels, Library, Optimise, sharing_trees
from nnom_hil.codegen.layouts import DenseOrder, HeaderOptions, Layout
from nnom_hil.errors import HilError, ModelError, TargetError, UsageError
from nnom_hil.files import read_regular
from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.graph import Cropping
from nnom_hil.model.qgraph import (
    Concat,
    Int8,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOutput,
    load_qgraph,
    save_qgraph,
    shape3d,
)
from nnom_hil.model.reference import run_reference
from nnom_hil.run.listening import Script, listen
from nnom_hil.run.runner import build_for
from nnom_hil.target.base import Target

__all__ = ["Reproducer", "alone", "build_and_run", "load_reproducer", "save_reproducer", "shrink"]

_SCHEMA: Final = "nnom-hil/reproducer/1"
_LIMIT: Final = 1 << 28
_MOST_BUILDS: Final = 8
_UNREADABLE: Final = (KeyError, ValueError, TypeError, AttributeError, EOFError, RecursionError,
    HilError, zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reproducer:
    """A network that gives other bytes than it should for one input.

    graph: the right one. held: the one that the firmware has, where it is known to be another; it
    is what is built. x: (1, *input shape); expected and got: (outputs,). board: its name. model,
    layer, says: what it was cut from, and what is wrong.
    """

    graph: QGraph
    x: Int8
    expected: Int8
    got: Int8
    board: str
    library: Library
    header: HeaderOptions
    compat: bool
    model: str
    layer: str
    says: str
    held: QGraph | None = None

    @property
    def built(self) -> QGraph:
        """The network that shows the fault."""
        return self.graph if self.held is None else self.held

    @property
    def first(self) -> tuple[int, int, int]:
        """Where the first byte differs: its index, what is right, and what came."""
        at = int(np.flatnonzero(self.expected != self.got)[0])
        return at, int(self.expected[at]), int(self.got[at])


def alone(graph: QGraph, node: QNode, sources: list[Int8]) -> tuple[QGraph, Int8]:
    """Return a layer as a network of its own and its input (n, h, w, c), from what it is given.

    Several inputs lie one below the other in one, and are cut apart. Raises ModelError where the
    layer cannot stand so.
    """
    before = [graph.by_name[name] for name in node.inputs]
    images = [s.reshape(len(s), *shape3d(s.shape[1:])) for s in sources]
    if len({image.shape[2:] for image in images}) > 1:
        raise ModelError(f"{node.name}: its inputs differ in width or channels")
    x = np.concatenate(images, axis=1)
    layers: list[Any] = [("input", QInput(shape=x.shape[1:], dec=before[0].dec), (), None, "")]
    names = ["input"]
    if len(images) > 1:
        names, top = [], 0
        for i, image in enumerate(images):
            below = x.shape[1] - top - image.shape[1]
            layers.append((f"part{i}", Cropping(border=(top, below, 0, 0)), ("input",), None, ""))
            names.append(f"part{i}")
            top += image.shape[1]
    op = node.op
    if isinstance(op, Concat):  # parts have three axes
        op = Concat(axis=op.axis + 3 - len(before[0].shape))
    tail = (node.tail, node.tail_name) if node.tail is not None else (None, "")
    layers.append((node.name, op, tuple(names), *tail))
    layers.append(("output", QOutput(), (node.name,), None, ""))
    return make_qgraph(node.name, layers), x


def build_and_run(
    graph: QGraph,
    x: Int8,
    *,
    board: Board,
    library: Library,
    header: HeaderOptions,
    compat: bool,
    target: Callable[[Board], Target],
) -> Int8:
    """Return what a target gives for inputs x (n, *shape), as (n, outputs).

    Raises HilError as building does, and TargetError where the target ends.
    """
    image = build_for(board, graph, header=header, compat=compat, library=library)
    rows = x.reshape(len(x), -1)
    script = Script(
        graph=graph,
        x=rows,
        layout=header.layout,
        answers=range(len(rows)),
        with_tensors=0,
        pick=lambda outputs, most: [],
    )
    heard = listen(target(board), image.elf, script)
    if heard.trouble is not None or len(heard.outputs) < len(rows):
        raise TargetError(heard.trouble or heard.untold or "not all vectors were answered")
    answers = b"".join(heard.outputs[i] for i in range(len(rows)))
    return np.frombuffer(answers, np.int8).reshape(len(rows), -1)


# ---- smaller and smaller


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A network of one layer, its input, and the same with the firmware's weights, if known."""

    graph: QGraph
    x: Int8
    held: QGraph | None


def shrink(
    graph: QGraph, x: Int8, held: QGraph | None, run: Callable[[QGraph, Int8], Int8], compat: bool
) -> tuple[QGraph, Int8, QGraph | None, Int8]:
    """Return the smallest network and input found that still differ, and what it gives.

    graph, x: alone()'s, one vector. held: the same network as the firmware has it. run: gives what
    a target makes of a network; where held is known, the reference does. Raises ModelError where
    not even the whole differs.
    """

    def gives(case: _Case) -> Int8:
        if case.held is not None:
            return _answer(case.held, case.x, compat)
        got: Int8 = run(case.graph, case.x)[0]
        return got

    def fails(case: _Case) -> Int8 | None:
        got = gives(case)
        return None if np.array_equal(got, _answer(case.graph, case.x, compat)) else got

    case = _Case(graph=graph, x=x, held=held)
    got = fails(case)
    if got is None:
        raise ModelError("the layer alone is right")
    tries = 0
    with sharing_trees():
        again = True
        while again and tries < _MOST_BUILDS:
            again = False
            for smaller in _smaller(case):
                if tries >= _MOST_BUILDS:
                    break
                tries += case.held is None
                try:
                    found = fails(smaller)
                except (HilError, ValueError):  # it cannot be so small
                    continue
                if found is not None:
                    case, got, again = smaller, found, True
                    break
    return case.graph, case.x, case.held, got


def _answer(graph: QGraph, x: Int8, compat: bool) -> Int8:
    outputs: Int8 = run_reference(graph, x, compat=compat)[0]
    return outputs


def _smaller(case: _Case) -> Iterator[_Case]:
    """Yield smaller networks: half of the channels, one of them, half of the rows or columns."""
    node = case.graph.nodes[1]
    op = node.op
    if not isinstance(op, QConv | QDense) or (isinstance(op, QConv) and op.depthwise):
        if len(case.graph.nodes) == 3:
            yield from _smaller_images(case)
        return
    channels = len(op.weight)
    for some in _parts(channels):
        yield from _with_op(case, lambda o, s=some: _channels_of(o, s))  # type: ignore[misc]
    if isinstance(op, QConv):
        yield from _smaller_images(case)
        inputs = op.weight.shape[-1]
        for some in _parts(inputs):
            yield from _with_op(
                case,
                lambda o, s=some: replace(o, weight=np.ascontiguousarray(o.weight[..., s])),  # type: ignore[misc]
                np.ascontiguousarray(case.x[..., some]),
            )


def _parts(count: int) -> Iterator[slice]:
    if count > 1:
        half = count // 2
        yield slice(0, half)
        yield slice(half, count)


def _channels_of(op: Any, some: slice) -> Any:
    def cut(values: tuple[int, ...]) -> tuple[int, ...]:
        return values if len(values) == 1 else values[some]

    return replace(
        op,
        weight=np.ascontiguousarray(op.weight[some]),
        bias=None if op.bias is None else op.bias[some],
        weight_dec=cut(op.weight_dec),
        bias_dec=cut(op.bias_dec),
        output_shift=cut(op.output_shift),
        bias_shift=cut(op.bias_shift),
    )


def _with_op(case: _Case, change: Callable[[Any], Any], x: Int8 | None = None) -> Iterator[_Case]:
    x = case.x if x is None else x
    try:
        graph = _changed(case.graph, change, x)
        held = None if case.held is None else _changed(case.held, change, x)
    except (ModelError, IndexError, ValueError):
        return
    yield _Case(graph=graph, x=x, held=held)


def _changed(graph: QGraph, change: Callable[[Any], Any], x: Int8) -> QGraph:
    first, node = graph.nodes[0], graph.nodes[1]
    assert isinstance(first.op, QInput)
    return make_qgraph(
        graph.name,
        [
            ("input", replace(first.op, shape=x.shape[1:]), (), None, ""),
            (node.name, change(node.op), ("input",), node.tail, node.tail_name),
            ("output", QOutput(), (node.name,), None, ""),
        ],
    )


def _smaller_images(case: _Case) -> Iterator[_Case]:
    for axis in (1, 2):
        size = case.x.shape[axis]
        for some in _parts(size):
            cut = [slice(None)] * 4
            cut[axis] = some
            yield from _with_op(case, lambda op: op, np.ascontiguousarray(case.x[tuple(cut)]))


# ---- on disk


def save_reproducer(case: Reproducer) -> bytes:
    """Return the file's bytes."""
    library = case.library
    document = {
        "schema": _SCHEMA,
        "model": case.model,
        "layer": case.layer,
        "says": case.says,
        "board": case.board,
        "compat": case.compat,
        "kernels": library.kernels.value,
        "nnom": None if library.nnom is None else str(library.nnom.resolve()),
        "cmsis_nn": None if library.cmsis_nn is None else str(library.cmsis_nn.resolve()),
        "compiler": library.compiler,
        "optimise": library.optimise.value,
        "layout": case.header.layout.value,
        "dense_order": case.header.dense_order.value,
    }
    arrays: dict[str, Any] = {
        "document": _bytes(json.dumps(document, sort_keys=True).encode()),
        "graph": _bytes(save_qgraph(case.graph)),
        "input": case.x,
        "expected": case.expected,
        "got": case.got,
    }
    if case.held is not None:
        arrays["held"] = _bytes(save_qgraph(case.held))
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _bytes(data: bytes) -> Any:
    return np.frombuffer(data, np.uint8)


def load_reproducer(file: Path) -> Reproducer:
    """Read what save_reproducer wrote; raises UsageError for anything else."""
    try:
        with np.load(BytesIO(read_regular(file, _LIMIT)), allow_pickle=False) as npz:
            arrays = {name: npz[name] for name in npz.files}
        document = json.loads(arrays["document"].tobytes())
        if document["schema"] != _SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}, not {_SCHEMA}")
        graph = load_qgraph(arrays["graph"].tobytes())
        held = load_qgraph(arrays["held"].tobytes()) if "held" in arrays else None
        library = Library(
            nnom=None if document["nnom"] is None else Path(document["nnom"]),
            cmsis_nn=None if document["cmsis_nn"] is None else Path(document["cmsis_nn"]),
            kernels=Kernels(document["kernels"]),
            compiler=document["compiler"],
            optimise=Optimise(document["optimise"]),
        )
        x = arrays["input"].astype(np.int8).reshape(1, *graph.input.shape)
        return Reproducer(
            graph=graph,
            held=held,
            x=x,
            expected=arrays["expected"].astype(np.int8).reshape(graph.output.size),
            got=arrays["got"].astype(np.int8).reshape(graph.output.size),
            board=str(document["board"]),
            library=library,
            header=HeaderOptions(
                layout=Layout(document["layout"]),
                dense_order=DenseOrder(document["dense_order"]),
            ),
            compat=bool(document["compat"]),
            model=str(document["model"]),
            layer=str(document["layer"]),
            says=str(document["says"]),
        )
    except OSError as exc:
        raise UsageError(f"{file}: cannot read it: {exc.strerror or exc}") from exc
    except _UNREADABLE as exc:
        if isinstance(exc, UsageError) and not isinstance(exc, ModelError):
            raise
        raise UsageError(
            f"{file}: not a reproducer that explain wrote: {type(exc).__name__}: {exc}"
        ) from exc
