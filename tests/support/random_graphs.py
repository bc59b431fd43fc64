"""Random quantised graphs for property tests: single layers, chains and branches of every kind."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
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
    Copy,
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
    shape3d,
)

Layer = tuple[str, QOp, tuple[str, ...], QActivation | None, str]
KINDS = (
    "conv", "dwconv", "trans", "dense", "pool", "gpool", "pad", "crop", "up", "flatten", "act",
    "softmax", "reshape", "rnn", "copy", "merge", "concat",
)  # fmt: skip


def _activation(rng: np.random.Generator, dec: int) -> QActivation:
    kind = ActivationKind(str(rng.choice(list(ActivationKind))))
    maximum = None if rng.random() < 0.5 else float(rng.integers(1, 96)) / 16
    return QActivation(
        kind=kind,
        dec=dec,
        negative_slope=float(rng.integers(0, 127)) / 128,
        max_value=maximum,
        threshold=float(rng.integers(0, 16)) / 16,
    )


def _conv(rng: np.random.Generator, channels: int, kind: str, dims: int) -> QConv:
    depthwise = kind == "dwconv"
    kh = 1 if dims == 1 else int(rng.integers(1, 5))
    kw = int(rng.integers(1, 5))
    n = int(rng.integers(1, 4)) if depthwise else int(rng.integers(1, 10))
    shape = (kh, kw, channels, n) if depthwise else (n, kh, kw, channels)
    out = channels * n if depthwise else n
    axes = out if rng.random() < 0.5 and out > 1 else 1
    return QConv(
        weight=rng.integers(-128, 128, shape).astype(np.int8),
        bias=None if rng.random() < 0.2 else rng.integers(-128, 128, out).astype(np.int8),
        weight_dec=(7,) * axes,
        bias_dec=(7,) * axes,
        output_shift=tuple(int(s) for s in rng.integers(0, 13, axes)),
        bias_shift=tuple(int(s) for s in rng.integers(0, 9, axes)),
        stride=(1 if dims == 1 else int(rng.integers(1, 4)), int(rng.integers(1, 4))),
        dilation=(1 if dims == 1 else int(rng.integers(1, 3)), int(rng.integers(1, 3))),
        padding=Padding(str(rng.choice(list(Padding)))),
        depthwise=depthwise,
        dims=dims,
        transposed=kind == "trans",
        pad_value=int(rng.integers(-128, 128)) if kind != "trans" and rng.random() < 0.4 else 0,
    )


def _rnn(rng: np.random.Generator, features: int, in_dec: int) -> QRnn:
    kind = CellKind(str(rng.choice(list(CellKind))))
    units = int(rng.integers(1, 10))
    rows = kind.gates * units

    def values(*shape: int) -> Int8:
        return rng.integers(-128, 128, shape).astype(np.int8)

    weight_dec, recurrent_dec = (int(v) for v in rng.integers(4, 10, 2))
    # products may not be coarser than their sum, nor the bias finer than the products
    finest = max(0, min(in_dec + weight_dec, 7 + recurrent_dec, 8))
    z_dec = int(rng.integers(0, finest + 1))
    products = max(0, in_dec + weight_dec)
    bias_dec = int(rng.integers(max(0, products - 14), products + 1))
    has_two_biases = kind is CellKind.GRU and rng.random() < 0.7
    bias = values(2, rows) if has_two_biases else values(rows)
    return QRnn(
        kind=kind,
        weight=values(rows, features),
        recurrent=values(rows, units),
        bias=None if rng.random() < 0.1 else bias,
        weight_dec=weight_dec,
        recurrent_dec=recurrent_dec,
        bias_dec=bias_dec,
        h_dec=7,
        z_dec=z_dec,
        c_dec=int(rng.integers(2, 8)),
        input_product_dec=z_dec,
        state_product_dec=int(rng.integers(z_dec, z_dec + 3)),
        activation=ActivationKind.TANH if rng.random() < 0.5 else ActivationKind.SIGMOID,
        return_sequence=bool(rng.random() < 0.5),
        stateful=bool(rng.random() < 0.3),
        go_backwards=bool(rng.random() < 0.3),
        time_order=bool(rng.random() < 0.3),
    )


def _ints(values: npt.NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _op(rng: np.random.Generator, kind: str, shape: tuple[int, ...], dec: int) -> QOp:
    h, _, c = shape3d(shape)
    size = int(np.prod(shape))
    dims = 1 if h == 1 and rng.random() < 0.5 else 2
    match kind:
        case "conv" | "dwconv" | "trans":
            return _conv(rng, c, kind, dims)
        case "rnn":
            return _rnn(rng, c, dec)
        case "copy":
            return Copy()
        case "dense":
            units = int(rng.integers(1, 12))
            formats = units if rng.random() < 0.3 else 1
            out_shift = rng.integers(0, 13, formats)
            return QDense(
                weight=rng.integers(-128, 128, (units, size)).astype(np.int8),
                bias=None if rng.random() < 0.2 else rng.integers(-128, 128, units).astype(np.int8),
                weight_dec=_ints(7 + out_shift - out_shift[0]),
                bias_dec=(7,) * formats,
                output_shift=_ints(out_shift),
                bias_shift=_ints(rng.integers(0, 9, formats)),
            )
        case "pool":
            return Pool(
                kind=PoolKind(str(rng.choice(list(PoolKind)))),
                size=(1 if dims == 1 else int(rng.integers(1, 4)), int(rng.integers(1, 4))),
                stride=(1 if dims == 1 else int(rng.integers(1, 4)), int(rng.integers(1, 4))),
                padding=Padding(str(rng.choice(list(Padding)))),
                dims=dims,
            )
        case "gpool":
            return GlobalPool(kind=PoolKind(str(rng.choice(list(PoolKind)))))
        case "pad" | "crop":
            t, b, left, r = (int(v) for v in rng.integers(0, 3, 4))
            border = (t, b, left, r)
            return ZeroPadding(border=border) if kind == "pad" else Cropping(border=border)
        case "up":
            return UpSample(factor=(int(rng.integers(1, 4)), int(rng.integers(1, 4))))
        case "flatten":
            return Flatten()
        case "act":
            return _activation(rng, dec)
        case "softmax":
            return QSoftmax(base_two=bool(rng.random() < 0.3))
        case _:
            return Reshape(shape=(size,) if rng.random() < 0.5 else (1, size, 1))


def with_zero_padding(graph: QGraph) -> QGraph:
    """Return the graph with zeros around every image."""
    return QGraph(
        name=graph.name,
        nodes=tuple(
            replace(node, op=replace(node.op, pad_value=0)) if isinstance(node.op, QConv) else node
            for node in graph.nodes
        ),
    )


def random_graph(seed: int, *, max_layers: int = 7) -> QGraph:
    """Return a graph that is valid in NNoM; same seed, same graph."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(v) for v in rng.integers(1, 9, 3))
    layers: list[Layer] = [("x", QInput(shape=shape, dec=int(rng.integers(0, 8))), (), None, "")]
    wanted = int(rng.integers(1, max_layers + 1))
    tries = 0
    while len(layers) <= wanted and tries < 60:
        tries += 1
        known = make_qgraph("random", layers)
        # mostly a chain; sometimes a layer reads an earlier one, which makes branches
        source = (
            known.nodes[-1] if rng.random() < 0.8 else rng.choice(np.array(known.nodes, object))
        )
        kind = str(rng.choice(KINDS))
        name = f"n{len(layers)}"
        if kind in {"merge", "concat"}:
            layer = _join(rng, kind, name, known, source.shape)
        else:
            op = _op(rng, kind, source.shape, source.dec)
            tail = None
            if not isinstance(op, QActivation | Flatten | Reshape) and rng.random() < 0.4:
                tail = _activation(rng, 4)
            layer = (name, op, (source.name,), tail, f"{name}_act" if tail else "")
        try:
            graph = make_qgraph("random", [*layers, layer])
        except ModelError:
            continue
        if graph.nodes[-1].size <= 4096 and _is_valid_in_compat(graph):
            layers.append(layer)
    layers = _connected(layers)
    last = layers[-1][0]
    return make_qgraph("random", [*layers, ("out", QOutput(), (last,), None, "")])


def _is_valid_in_compat(graph: QGraph) -> bool:
    """Whether recurrent shifts are in range for the formats that the library will work with."""
    return all(
        0 <= shift <= 30
        for decs in (graph.library_decs(compat=True), graph.library_decs(compat=False))
        for node in graph.nodes
        if isinstance(node.op, QRnn)
        for shift in node.op.shifts(decs[node.inputs[0]])
    )


def _join(
    rng: np.random.Generator, kind: str, name: str, known: QGraph, shape: tuple[int, ...]
) -> Layer:
    same = [node.name for node in known.nodes if node.shape == shape]
    count = int(rng.integers(1, 5))
    inputs = tuple(str(rng.choice(same)) for _ in range(count))
    if kind == "concat":
        return name, Concat(axis=int(rng.integers(0, len(shape)))), inputs, None, ""
    merge = MergeKind(str(rng.choice(list(MergeKind))))
    shift = int(rng.integers(0, 8))
    op = Merge(kind=merge, output_shift=shift, halvings=int(rng.integers(0, 3)) if shift > 2 else 0)
    return name, op, inputs, None, ""


def _connected(layers: list[Layer]) -> list[Layer]:
    """Drop what the last layer does not need, and branches that end nowhere with it."""
    needed = {layers[-1][0]}
    for name, _, inputs, _, _ in reversed(layers):
        if name in needed:
            needed |= set(inputs)
    return [layer for layer in layers if layer[0] in needed]


def random_layer(seed: int) -> QGraph:
    """Return an input, one layer of any kind (perhaps with a tail), and an output."""
    rng = np.random.default_rng(seed)
    while True:
        shape = tuple(int(v) for v in rng.integers(1, 12, 3))
        kind = str(rng.choice(KINDS))
        if kind == "rnn":
            shape = (1, *shape[1:])
        dec = int(rng.integers(0, 8))
        layers: list[Layer] = [("x", QInput(shape=shape, dec=dec), (), None, "")]
        known = make_qgraph("layer", layers)
        if kind in {"merge", "concat"}:
            layer = _join(rng, kind, "layer", known, shape)
        else:
            op = _op(rng, kind, shape, known.nodes[0].dec)
            tail = _activation(rng, 4) if rng.random() < 0.3 else None
            layer = ("layer", op, ("x",), tail, "layer_act" if tail else "")
        try:
            graph = make_qgraph("layer", [*layers, layer])
        except ModelError:
            continue
        if graph.nodes[-1].size <= 16384:
            return make_qgraph("layer", [*layers, layer, ("out", QOutput(), ("layer",), None, "")])


def random_inputs(graph: QGraph, seed: int, runs: int) -> Int8:
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (runs, *graph.input.shape)).astype(np.int8)
