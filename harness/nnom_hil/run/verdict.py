"""Judging results: pure comparisons that touch nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.console import (
    CompileLog,
    FormatLayer,
    ModelStat,
    PredictionSummary,
)
from nnom_hil.model.graph import (
    ActivationKind,
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
    Int8,
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
from nnom_hil.records import CrossCheck

__all__ = [
    "Predictions",
    "check_compile_log",
    "check_io_format",
    "check_io_shapes",
    "check_model_stat",
    "check_prediction",
    "layer_type",
    "predictions",
    "top_k_of",
]

TOP_K = 5
_CELL_MAX = 0xFFFF  # of NNoM's confusion matrix; it counts no further


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Counts over labelled outputs. top_k[i]: label among the first i+1; confusion[true][said]."""

    count: int
    top_k: tuple[int, ...]
    confusion: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.top_k[0] / self.count if self.count else 0.0


def top_k_of(classes: int) -> int:
    """Return how many of the first answers are counted: there are no more than classes."""
    return min(TOP_K, classes)


def predictions(outputs: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> Predictions:
    """Count right answers as NNoM does: the first maximum wins (NNOM_COMPAT.md 3.20).

    outputs: (n, classes), two or more; labels: (n,).
    """
    n, classes = outputs.shape
    own = outputs[np.arange(n), labels][:, np.newaxis]
    before = np.arange(classes)[np.newaxis] < labels[:, np.newaxis]
    rank = ((outputs > own) | ((outputs == own) & before)).sum(axis=1)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, outputs.argmax(axis=1)), 1)
    top_k = tuple(int((rank <= k).sum()) for k in range(top_k_of(classes)))
    return Predictions(count=n, top_k=top_k, confusion=confusion)


_POOLS = {PoolKind.MAX: "Max", PoolKind.AVERAGE: "Avg", PoolKind.SUM: "Sum"}
_CELLS = {CellKind.SIMPLE: "Simple", CellKind.GRU: "GRU", CellKind.LSTM: "LSTM"}


def layer_type(node: QNode) -> str:
    """Return the name that NNoM prints for the layer."""
    match node.op:
        case QInput():
            return "Input"
        case QConv() as op:
            if op.transposed:
                return "Conv2DTrsp"
            return "DW_Conv2D" if op.depthwise else "Conv2D"
        case QDense():
            return "Dense"
        case QActivation():
            return "Activation"
        case Pool() as op:
            return f"{_POOLS[op.kind]}Pool"
        case GlobalPool() as op:
            return f"GL_{_POOLS[op.kind]}Pool"
        case ZeroPadding():
            return "ZeroPad"
        case Cropping():
            return "Cropping"
        case UpSample():
            return "UpSample"
        case Reshape():
            return "Reshape"
        case Flatten():
            return "Flatten"
        case QSoftmax():
            return "Softmax"
        case Concat():
            return "Concat"
        case Merge() as op:
            return op.kind.value.capitalize()
        case QRnn() as op:
            return f"RNN/{_CELLS[op.kind]}"
        case Copy():
            return "Lambda"
        case QOutput():
            return "Output"
        case never:
            assert_never(never)


_ACTIVATIONS = {
    ActivationKind.RELU: "ReLU",
    ActivationKind.LEAKY_RELU: "LkyReLU",
    ActivationKind.ADV_RELU: "AdvReLU",
    ActivationKind.TANH: "TanH",
    ActivationKind.SIGMOID: "Sigmoid",
    ActivationKind.HARD_TANH: "HrdTanH",
    ActivationKind.HARD_SIGMOID: "HrdSigd",
}


def activation_name(node: QNode) -> str | None:
    """Return the name that NNoM prints for the layer's tail activation."""
    return None if node.tail is None else _ACTIVATIONS[node.tail.kind]


def printed_macs(macs: int) -> str:
    """Return a count of multiply-accumulates as NNoM prints it (NNOM_COMPAT.md 4.1)."""
    if macs == 0:
        return ""
    if macs < 10_000:
        return str(macs)
    if macs < 1_000_000:
        return f"{macs // 1000}k"
    if macs < 1_000_000_000:
        return f"{macs // 1_000_000}.{macs % 1_000_000 // 10_000:02d}M"
    return f"{macs // 1_000_000_000}.{macs % 1_000_000_000 // 10_000_000:02d}G"


def _compare(what: str, printed: Sequence[object] | None, expected: Sequence[object]) -> CrossCheck:
    if printed is None:
        return CrossCheck(what=what, ok=False, detail="the target did not print it")
    if len(printed) != len(expected):
        detail = f"printed {len(printed)} entries, expected {len(expected)}"
        return CrossCheck(what=what, ok=False, detail=detail)
    for i, (got, want) in enumerate(zip(printed, expected, strict=True), start=1):
        if got != want:
            return CrossCheck(what=what, ok=False, detail=f"#{i}: printed {got}, expected {want}")
    return CrossCheck(what=what, ok=True)


def check_compile_log(log: CompileLog | None, graph: QGraph) -> list[CrossCheck]:
    """Compare the printed layers with the graph, and the blocks with their printed sum."""
    expected = [
        (layer_type(n), activation_name(n), n.shape, printed_macs(graph.macs_of(n)))
        for n in graph.nodes
    ]
    printed = None if log is None else [(x.name, x.activation, x.shape, x.macs) for x in log.layers]
    checks = [_compare("compile log: layers, shapes, MACs", printed, expected)]
    if log is not None:
        total = [sum(log.blocks)]
        checks.append(_compare("compile log: sum of blocks", [log.blocks_total], total))
    return checks


def check_model_stat(
    stat: ModelStat | None, graph: QGraph, ticks: Sequence[int], tick_hz: int
) -> list[CrossCheck]:
    """Compare printed times with the ticks of the same run, and MACs with the graph.

    tick_hz: whole megahertz. ticks: of every layer; fewer are of a run that a layer ended.
    """
    what = "model_stat: names, times, MACs"
    if len(ticks) != len(graph.nodes):
        detail = f"the target timed {len(ticks)} layers of {len(graph.nodes)}"
        return [CrossCheck(what=what, ok=False, detail=detail)]
    expected = [
        (layer_type(n), max(1, (t + per_us // 2) // per_us), printed_macs(graph.macs_of(n)))
        for per_us in (tick_hz // 1_000_000,)
        for n, t in zip(graph.nodes, ticks, strict=True)
    ]
    printed = None if stat is None else [(x.name, x.time_us, x.macs) for x in stat.layers]
    checks = [_compare(what, printed, expected)]
    totals = None if stat is None else [stat.total_macs, stat.time_us]
    wanted = [graph.macs, sum(time for _, time, _ in expected)]
    return [*checks, _compare("model_stat: total MACs and time", totals, wanted)]


def check_io_format(
    layers: tuple[FormatLayer, ...] | None, graph: QGraph, *, compat: bool = False
) -> CrossCheck:
    """Compare printed output formats with the graph's, as the library has them."""
    decs = graph.library_decs(compat=compat)
    printed = None if layers is None else [(x.name, x.output_dec, x.shape) for x in layers]
    expected = [(layer_type(n), decs[n.name], n.shape) for n in graph.nodes]
    return _compare("model_io_format: formats and shapes", printed, expected)


def check_io_shapes(layers: tuple[FormatLayer, ...] | None, graph: QGraph) -> CrossCheck:
    """Compare printed shapes with the graph's, of a header that tells the library no formats."""
    printed = None if layers is None else [(x.name, x.shape) for x in layers]
    expected = [(layer_type(n), n.shape) for n in graph.nodes]
    return _compare("model_io_format: shapes", printed, expected)


def check_prediction(
    summary: PredictionSummary | None, count: int, host: Predictions | None
) -> list[CrossCheck]:
    """Compare the target's own counts with those made from the outputs it returned.

    host: None where NNoM counts frames only, as it does for a single output.
    """
    if summary is None:
        return [_compare("prediction_summary", None, [])]
    checks = [_compare("prediction_summary: frames", [summary.frames], [count])]
    if host is not None:
        top_k = [_percent(hits, count) for hits in host.top_k]
        checks.append(_compare("prediction_summary: top-k", summary.top_k, top_k))
        cells = np.minimum(host.confusion, _CELL_MAX)
        matrix = tuple(tuple(int(v) for v in row) for row in cells)
        checks.append(_compare("prediction_summary: confusion matrix", summary.confusion, matrix))
    return checks


def _percent(hits: int, count: int) -> str:
    if hits == count:
        return "100"
    return f"{hits * 100 // count}.{hits * 10000 // count % 100:02d}"


def first_difference(outputs: Int8, reference: Int8) -> int | None:
    """Return the first row that differs, None if all are equal."""
    different = np.flatnonzero((outputs != reference).any(axis=1))
    return int(different[0]) if len(different) else None
