"""The recorded behaviour of NNoM 0.4.3 as quantised graphs (tests/data/README.md)."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.graph import (
    ActivationKind,
    Cropping,
    Flatten,
    GlobalPool,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.qgraph import (
    CellKind,
    Concat,
    Int8,
    Merge,
    MergeKind,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QOp,
    QOutput,
    QRnn,
    QSoftmax,
)

GOLDEN = Path(__file__).parents[1] / "data" / "golden.npz"


@dataclass(frozen=True, eq=False)
class GoldenCase:
    """One recorded model with its inputs (runs, h, w, c), outputs and per-layer checksums."""

    id: str
    op: str
    graph: QGraph
    x: Int8
    y: Int8
    run_order: tuple[str, ...]
    crc32: dict[str, list[int]]
    defects: frozenset[str]
    sums: npt.NDArray[np.int32] | None  # of sum pooling, before they are narrowed
    right: Int8 | None  # the output without the defect

    @property
    def layers(self) -> dict[str, int]:
        """Position of each layer in order of creation, which is the graph's."""
        return {node.name: i for i, node in enumerate(self.graph.nodes)}


@cache
def load_golden() -> tuple[GoldenCase, ...]:
    with np.load(GOLDEN) as npz:
        arrays = {key: npz[key] for key in npz.files}
    return tuple(_case(c, arrays) for c in json.loads(arrays["index"].tobytes()))


def _case(c: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> GoldenCase:
    layers = []
    for g in c["graph"]:
        tail = _activation(g["activation"], g) if _has_tail(g) else None
        layers.append((g["name"], _op(g, arrays), tuple(g["inputs"]), tail, f"{g['name']}_act"))
    return GoldenCase(
        id=c["id"],
        op=c["op"],
        graph=make_qgraph(c["id"], layers),
        x=arrays[c["id"] + "/input"],
        y=arrays[c["id"] + "/output"],
        run_order=tuple(c["run_order"]),
        crc32={g["name"]: g["output_crc32"] for g in c["graph"]},
        defects=frozenset(c["defects"]),
        sums=arrays.get(c["id"] + "/sum_int32"),
        right=arrays.get(c["id"] + "/output_without_defect"),
    )


def _has_tail(g: dict[str, Any]) -> bool:
    return g["type"] != "activation" and bool(g.get("activation"))


def _activation(a: dict[str, Any], g: dict[str, Any]) -> QActivation:
    maximum = a.get("max")
    return QActivation(
        kind=ActivationKind(a["type"]),
        dec=a.get("frac_bits", 0),
        negative_slope=a.get("negative_slope", a.get("alpha", 0.0)),
        max_value=None if maximum is None or maximum == "inf" else float(maximum),
        threshold=a.get("threshold", 0.0),
    )


def _border(g: dict[str, Any]) -> tuple[int, int, int, int]:
    return g["top"], g["bottom"], g["left"], g["right"]


def _rnn(g: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> QRnn:
    return QRnn(
        kind=CellKind(g["type"].removeprefix("rnn_")),
        weight=arrays[g["arrays"]["weight"]],
        recurrent=arrays[g["arrays"]["recurrent_weight"]],
        bias=arrays[g["arrays"]["bias"]],
        weight_dec=g["weight_frac_bits"],
        recurrent_dec=g["recurrent_weight_frac_bits"],
        bias_dec=g["bias_frac_bits"],
        h_dec=g["hidden_frac_bits"],
        z_dec=g.get("gate_frac_bits", 0),
        c_dec=g.get("cell_state_frac_bits", 0),
        input_product_dec=g.get("input_product_frac_bits", 0),
        state_product_dec=g.get("recurrent_product_frac_bits", 0),
        activation=ActivationKind(g.get("cell_activation", "tanh")),
        return_sequence=g["return_sequence"],
        stateful=g["stateful"],
        go_backwards=g["go_backwards"],
    )


def _op(g: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> QOp:
    kind = g["type"]
    if kind == "input":
        return QInput(shape=tuple(g["dims"]), dec=g["frac_bits"])
    if kind in {"conv2d", "dw_conv2d", "conv2d_trans"}:
        weight = arrays[g["arrays"]["weight"]]
        return QConv(
            weight=weight,
            bias=arrays[g["arrays"]["bias"]] if g["use_bias"] else None,
            weight_dec=tuple(g["weight_frac_bits"]),
            bias_dec=tuple(g["bias_frac_bits"]),
            output_shift=tuple(g["output_shift"]),
            bias_shift=tuple(g["bias_shift"]),
            stride=(g["stride_h"], g["stride_w"]),
            dilation=(g["dilation_h"], g["dilation_w"]),
            padding=Padding(g["padding"]),
            depthwise=kind == "dw_conv2d",
            dims=g["spatial_dims"],
            transposed=kind == "conv2d_trans",
        )
    if kind == "dense":
        return QDense(
            weight=arrays[g["arrays"]["weight"]],
            bias=arrays[g["arrays"]["bias"]] if g["use_bias"] else None,
            weight_dec=(g["weight_frac_bits"][0],),
            bias_dec=(g["bias_frac_bits"][0],),
            output_shift=(g["output_shift"][0],),
            bias_shift=(g["bias_shift"][0],),
        )
    if kind in {"maxpool", "avgpool", "sumpool"}:
        return Pool(
            kind=PoolKind(kind.removesuffix("pool")),
            size=(g["kernel_h"], g["kernel_w"]),
            stride=(g["stride_h"], g["stride_w"]),
            padding=Padding(g["padding"]),
            dims=g["spatial_dims"],
            output_shift=g["output_shift"],
        )
    if kind in {"global_maxpool", "global_avgpool", "global_sumpool"}:
        return GlobalPool(
            kind=PoolKind(kind.removeprefix("global_").removesuffix("pool")),
            output_shift=g["output_shift"],
        )
    if kind == "activation":
        return _activation(g["activation"], g)
    if kind.startswith("rnn_"):
        return _rnn(g, arrays)
    simple: dict[str, Any] = {
        "zero_padding": lambda: ZeroPadding(border=_border(g)),
        "cropping": lambda: Cropping(border=_border(g)),
        "upsample": lambda: UpSample(factor=(g["factor_h"], g["factor_w"])),
        "reshape": lambda: Reshape(shape=tuple(g["dims"])),
        "concat": lambda: Concat(axis=g["axis"]),
        "add": lambda: Merge(kind=MergeKind.ADD, output_shift=g["output_shift"]),
        "sub": lambda: Merge(kind=MergeKind.SUB, output_shift=g["output_shift"]),
        "mult": lambda: Merge(kind=MergeKind.MULT, output_shift=g["output_shift"]),
        "flatten": Flatten,
        "softmax": QSoftmax,
        "output": QOutput,
    }
    op: QOp = simple[kind]()
    return op
