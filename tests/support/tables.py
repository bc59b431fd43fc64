"""What NNoM prints for a graph, written from the specification alone (NNOM_COMPAT.md 2.5 and 4).

The library is not consulted: blocks are booked here by a walk of our own. "Total memory" figures,
which follow from structure sizes, read `?`.
"""

from dataclasses import dataclass, field
from typing import assert_never

from nnom_hil.model.graph import (
    Cropping,
    Flatten,
    GlobalPool,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.qgraph import (
    CellKind,
    Concat,
    Copy,
    Merge,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOutput,
    QRnn,
    QSoftmax,
)
from nnom_hil.run.verdict import activation_name, layer_type

BLOCKS = 8
RULE = "-" * 97
IN_PLACE = (QInput, QOutput, QActivation, Flatten, Reshape)


def scratch_bytes(graph: QGraph, node: QNode) -> int | None:
    """Return the layer's scratch buffer; None for layers that have none, not even an empty one."""
    source = graph.by_name[node.inputs[0]] if node.inputs else node
    match node.op:
        case QDense():
            return 2 * source.size
        case Pool() as op:
            return 4 * node.size if op.kind is PoolKind.SUM else 0
        case GlobalPool() as op:
            channels = node.size
            sizes = {PoolKind.MAX: 0, PoolKind.AVERAGE: 2 * channels**2, PoolKind.SUM: 4 * channels}
            return sizes[op.kind]
        case QRnn() as op:
            features = op.weight.shape[1]
            state = {CellKind.SIMPLE: None, CellKind.GRU: 18, CellKind.LSTM: 24}[op.kind]
            return 0 if state is None else state * op.units + 2 * features
        case (
            QInput() | QConv() | QActivation() | ZeroPadding() | Cropping() | UpSample()
            | Reshape() | Flatten() | QSoftmax() | Concat() | Merge() | Copy() | QOutput()
        ):  # fmt: skip
            return None
        case never:
            assert_never(never)


@dataclass
class _Walk:
    """The depth-first walk of compilation, with its blocks."""

    graph: QGraph
    align: int
    sizes: list[int] = field(default_factory=lambda: [0] * BLOCKS)
    owners: list[int] = field(default_factory=lambda: [0] * BLOCKS)
    filled: list[bool] = field(default_factory=lambda: [False] * BLOCKS)
    block_of: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def take(self, size: int, owners: int) -> int:
        i = self.owners.index(0)
        self.owners[i], self.filled[i] = owners, True
        self.sizes[i] = max(self.sizes[i], -(-size // self.align) * self.align)
        return i

    def release(self, i: int) -> None:
        self.owners[i] = max(0, self.owners[i] - 1)
        self.filled[i] = self.owners[i] > 0

    def consumers(self, node: QNode) -> list[QNode]:
        return [n for n in self.graph.nodes for name in n.inputs if name == node.name]

    def visit(self, node: QNode) -> None:
        if node.name in self.order:
            return
        if any(i not in self.block_of or not self.filled[self.block_of[i]] for i in node.inputs):
            return  # another branch comes first
        inputs = [self.block_of[i] for i in node.inputs] or [self.take(node.size, 1)]
        self.order.append(node.name)
        scratch = scratch_bytes(self.graph, node)
        comp = None if scratch is None else self.take(scratch, 1)
        consumers = self.consumers(node)
        # a layer works in place only where no other branch still needs its input
        in_place = isinstance(node.op, IN_PLACE) and self.owners[inputs[0]] <= 1
        if in_place:
            out = inputs[0]
            self.owners[out] += len(consumers) if len(consumers) > 1 else 0
        else:
            out = self.take(node.size, max(1, len(consumers)))
        self.block_of[node.name] = out
        self.lines.append(self.line(node, scratch or 0))
        if not (in_place and len(consumers) <= 1):
            for block in inputs:
                self.release(block)
        if comp is not None:
            self.release(comp)
        for consumer in consumers:
            self.visit(consumer)

    def line(self, node: QNode, scratch: int) -> str:
        given = sum(self.graph.by_name[i].size for i in node.inputs) or node.size
        owners = "".join(
            (" " if i % 4 == 0 else "") + (f"{n} " if n else "- ")
            for i, n in enumerate(self.owners)
        )
        sizes = f"({given:6d},{node.size:6d},{scratch:6d})"
        what = f"{name(node)}{tail(node)}({dims(node)})  {macs(self.graph, node)}"
        return f"#{len(self.order):<3d} {what}{sizes}   {owners}"


def name(node: QNode) -> str:
    kind = layer_type(node)
    if kind.startswith("RNN/"):
        return f"RNN/{kind[4:]:<6s} - "
    return f"{kind:<10s} - "


def tail(node: QNode) -> str:
    activation = activation_name(node)
    return "         - " if activation is None else f"{activation:<8s} - "


def dims(node: QNode) -> str:
    return "".join(f"{node.shape[i]:4d}," if i < len(node.shape) else "     " for i in range(3))


def _count(n: int, none: str, end: str) -> str:
    if n == 0:
        return none
    if n < 10_000:
        return f"{n:7d}{end}"
    if n < 1_000_000:
        return f"{n // 1000:6d}k{end}"
    if n < 1_000_000_000:
        return f"{n // 10**6:3d}.{n % 10**6 // 10**4:02d}M{end}"
    return f"{n // 10**9:3d}.{n % 10**9 // 10**7:02d}G{end}"


def macs(graph: QGraph, node: QNode) -> str:
    return _count(graph.macs_of(node), " " * 8, " ")


@dataclass(frozen=True)
class Tables:
    """The printed text, the run order, and what the shared blocks take."""

    compile_log: str
    model_stat: str
    io_format: str
    order: tuple[str, ...]
    block_bytes: int


def _cost(blocks: int, buffer_size: int) -> str:
    planned = buffer_size != blocks
    return f"{buffer_size} bytes (blocks: {blocks} bytes)" if planned else f"{blocks} bytes"


def tables(graph: QGraph, *, compat: bool, buffer_size: int, align: int = 8) -> Tables:
    """Return what NNoM prints for a graph, timers at zero, and ours where its buffer is smaller."""
    walk = _Walk(graph, align)
    walk.visit(graph.nodes[0])
    blocks = "".join(f"blk_{i}:{size}  " for i, size in enumerate(walk.sizes))
    ordered = [graph.by_name[n] for n in walk.order]
    compile_log = "\n".join(
        [
            "NNoM version 0.4.3",
            "To disable logs, please void the marco 'NNOM_LOG(...)' in 'nnom_port.h'.",
            "Data format: Channel last (HWC)",
            "Start compiling model...",
            "Layer(#)         Activation    output shape    ops(MAC)   mem(in, out, buf)      "
            "mem blk lifetime",
            RULE,
            *walk.lines,
            RULE,
            "Memory cost by each block:",
            f" {blocks}",
            f" Memory cost by network buffers: {_cost(sum(walk.sizes), buffer_size)}",
            " Total memory occupied: ? bytes",
            "",
        ]
    )
    return Tables(
        compile_log=compile_log,
        model_stat=_model_stat(graph, ordered),
        io_format=_io_format(graph, ordered, compat=compat),
        order=tuple(walk.order),
        block_bytes=sum(walk.sizes),
    )


def _model_stat(graph: QGraph, ordered: list[QNode]) -> str:
    total = graph.macs
    rows = [
        f"#{i:<3d}{name(node)} {0:8d}      {_count(graph.macs_of(node), ' ' * 12, ' ' * 5)}"
        for i, node in enumerate(ordered, start=1)
    ]
    return "\n".join(
        [
            "",
            "Print running stat..",
            "Layer(#)        -   Time(us)     ops(MACs)   ops/us ",
            "-" * 56,
            *rows,
            "",
            "Summary:",
            f"Total ops (MAC): {total}({total // 10**6}.{total % 10**6 // 10**4:02d}M)",
            "Prediction time :0us",
            "Total memory:?",
            "",
        ]
    )


def _io_format(graph: QGraph, ordered: list[QNode], *, compat: bool) -> str:
    decs = graph.library_decs(compat=compat)
    rows = []
    for i, node in enumerate(ordered, start=1):
        given = decs[node.inputs[0]] if node.inputs else decs[node.name]
        made = decs[node.name]
        rows.append(
            f"#{i:<3d}{name(node)}  {7 - given:2d}.{given:2d}     {7 - made:2d}.{made:2d}"
            f"      ({dims(node)})"
        )
    return "\n".join(
        [
            "",
            "Print layer input/output..",
            "Layer(#)        -  Input(Qnm)  Output(Qnm)   Oshape ",
            "-" * 58,
            *rows,
            "",
        ]
    )
