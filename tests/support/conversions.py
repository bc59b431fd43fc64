"""Small networks of every kind, and what each way of converting them gives.

`python -m tests.support.conversions` writes tests/data/conversions.json anew: after a change that
is meant to convert otherwise, whose differences belong into its commit.
"""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    CellKind,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    FloatOp,
    GlobalPool,
    Input,
    MergeKind,
    Padding,
    Pool,
    PoolKind,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.quantise import Method, QuantiseOptions, calibrate, measure_quality

FILE = Path(__file__).parents[1] / "data" / "conversions.json"
FloatArray = npt.NDArray[np.float32]
Network = tuple[FloatGraph, FloatArray]

MSE = QuantiseOptions(method=Method.MSE, per_channel=True)
WAYS = {
    "nnom": QuantiseOptions(nnom_only=True, raw_input=True, plain_pools=True),
    "kld": QuantiseOptions(method=Method.KLD, per_channel=True, raw_input=True),
    "percentile": QuantiseOptions(method=Method.PERCENTILE, percentile=99.0),
    "mse": MSE,
    "mse one format": QuantiseOptions(method=Method.MSE, raw_input=True, nnom_only=True),
    "portable": QuantiseOptions(method=Method.MSE, per_channel=True, portable=True),
}


class Maker:
    """Random weights, always the same."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 0.4) -> FloatArray:
        return self._rng.normal(0, scale, shape).astype(np.float32)

    def uneven(self, n: int) -> FloatArray:
        """Factors between channels that quantise badly together."""
        return np.exp2(self._rng.uniform(-3, 2, n)).astype(np.float32)

    def conv(self, size: int, channels: int, filters: int, **changed: Any) -> Conv:
        facts: dict[str, Any] = {
            "kernel": self.normal(size, size, channels, filters) * self.uneven(filters),
            "bias": self.normal(filters),
            "stride": (1, 1), "dilation": (1, 1), "padding": Padding.SAME,
            "depthwise": False, "dims": 2,
        }  # fmt: skip
        return Conv(**(facts | changed))

    def depthwise(self, channels: int) -> Conv:
        kernel = self.normal(3, 3, channels, 1) * self.uneven(channels)[:, np.newaxis]
        return self.conv(3, channels, 1, kernel=kernel, bias=self.normal(channels), depthwise=True)

    def dense(self, inputs: int, units: int) -> Dense:
        kernel = self.normal(inputs, units, scale=inputs**-0.5) * self.uneven(units)
        return Dense(kernel=kernel, bias=self.normal(units))

    def rnn(self, kind: CellKind, features: int, units: int, **changed: Any) -> Rnn:
        rows = kind.gates * units
        bias = self.normal(2, rows) if kind is CellKind.GRU else self.normal(rows)
        return Rnn(
            kind=kind, kernel=self.normal(features, rows), recurrent=self.normal(units, rows),
            bias=bias, **changed,
        )  # fmt: skip


def line(name: str, *ops: FloatOp) -> FloatGraph:
    """A graph in which each layer reads the one before."""
    nodes = [
        FloatNode(name=f"n{i}", op=op, inputs=(f"n{i - 1}",) if i else ())
        for i, op in enumerate(ops)
    ]
    return FloatGraph(name=name, nodes=tuple(nodes))


def branches(name: str, m: Maker, join: FloatOp, channels: int) -> FloatGraph:
    def node(name: str, op: FloatOp, *inputs: str) -> FloatNode:
        return FloatNode(name=name, op=op, inputs=inputs)

    return FloatGraph(
        name=name,
        nodes=(
            node("x", Input(shape=(6, 6, 3))),
            node("stem", m.conv(3, 3, 4), "x"),
            node("relu", Activation(kind=ActivationKind.RELU), "stem"),
            node("left", m.conv(1, 4, 4), "relu"),
            node("right", m.depthwise(4), "relu"),
            node("bent", Activation(kind=ActivationKind.TANH), "right"),
            node("join", join, "left", "bent"),
            node("back", m.conv(1, channels, 4), "join"),
            node("sum", Combine(kind=MergeKind.ADD), "back", "relu"),
            node("pool", GlobalPool(kind=PoolKind.AVERAGE), "sum"),
            node("flat", Flatten(), "pool"),
            node("dense", m.dense(4, 3), "flat"),
            node("softmax", Softmax(), "dense"),
        ),
    )


def networks() -> Iterator[Network]:
    """Yield graphs and calibration data (64, ...)."""
    rng = np.random.default_rng(5)
    relu, relu6 = (Activation(kind=ActivationKind.RELU, max_value=limit) for limit in (None, 6.0))
    image = rng.normal(0, 1, (64, 6, 6, 3)).astype(np.float32)
    pixels = rng.integers(0, 256, (64, 6, 6, 3)).astype(np.float32)
    pixels[0, 0, 0], pixels[0, 0, 1] = 0, 255
    scaled = Affine(scale=np.full(3, 1 / 127.5, np.float32), offset=np.full(3, -1, np.float32))
    mixed = image * np.array([1, 30, 0.02], np.float32) + np.array([0, 100, 0], np.float32)
    m = Maker(0)
    yield line(
        "chain", Input(shape=(6, 6, 3)), m.conv(3, 3, 5),
        Affine(scale=m.uneven(5), offset=m.normal(5)), relu, Flatten(), m.dense(180, 4), Softmax(),
    ), image  # fmt: skip
    yield line(
        "separable", Input(shape=(6, 6, 3)), scaled, m.conv(3, 3, 6, stride=(2, 2)), relu6,
        m.depthwise(6), relu6, m.conv(1, 6, 4), relu6, GlobalPool(kind=PoolKind.AVERAGE), Flatten(),
        m.dense(4, 3), Softmax(),
    ), pixels  # fmt: skip
    yield line(
        "pools", Input(shape=(6, 6, 3)), m.conv(3, 3, 4), relu,
        Pool(kind=PoolKind.AVERAGE, padding=Padding.SAME, size=(3, 3), stride=(2, 2), dims=2),
        Pool(kind=PoolKind.MAX, padding=Padding.VALID, size=(2, 2), stride=(1, 1), dims=2),
        m.conv(2, 4, 4, dilation=(2, 2)),
        Activation(kind=ActivationKind.LEAKY_RELU, negative_slope=0.2),
        GlobalPool(kind=PoolKind.MAX), Flatten(), m.dense(4, 1),
        Activation(kind=ActivationKind.SIGMOID),
    ), mixed  # fmt: skip
    yield line(
        "shapes", Input(shape=(6, 6, 3)), ZeroPadding(border=(1, 0, 0, 1)),
        m.conv(3, 3, 3, transposed=True, stride=(2, 2)), Activation(kind=ActivationKind.HARD_TANH),
        Cropping(border=(1, 1, 2, 2)), UpSample(factor=(1, 2)), m.conv(2, 3, 2),
        Activation(kind=ActivationKind.ADV_RELU, max_value=2.0, threshold=0.25, negative_slope=0.1),
    ), image  # fmt: skip
    for kind in CellKind:
        sequence = rng.normal(0, 1, (64, 5, 4)).astype(np.float32)
        yield line(
            kind.value, Input(shape=(5, 4)), m.rnn(kind, 4, 5, return_sequence=True),
            m.rnn(kind, 5, 3, go_backwards=True), m.dense(3, 2),
        ), sequence  # fmt: skip
    for name, join, channels in (
        ("concatenate", Concatenate(axis=-1), 8),
        ("add", Combine(kind=MergeKind.ADD), 4),
        ("subtract", Combine(kind=MergeKind.SUB, halvings=1), 4),
        ("multiply", Combine(kind=MergeKind.MULT), 4),
    ):
        yield branches(name, m, join, channels), image
    yield line("regression", Input(shape=(12,)), m.dense(12, 9), relu, m.dense(9, 5), Activation(
        kind=ActivationKind.HARD_SIGMOID), m.dense(5, 2)), rng.normal(0, 3, (64, 12)).astype(
        np.float32)  # fmt: skip


def facts_of(graph: FloatGraph, x: FloatArray, options: QuantiseOptions) -> dict[str, Any]:
    """Return the formats, sums of weights and quality of each layer."""
    found = calibrate(graph, x, options)
    quantised = found.finish()
    quality = measure_quality(found.graph, quantised, found.data)
    layers: dict[str, Any] = {}
    for node in quantised.nodes:
        held = {f.name: getattr(node.op, f.name) for f in fields(node.op)}
        arrays = {
            name: [int(np.sum(value, dtype=np.int64)), int(np.abs(np.int64(value)).sum())]
            for name, value in held.items()
            if isinstance(value, np.ndarray) and value.dtype == np.int8
        }
        plain = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in held.items()
            if isinstance(value, int | float | tuple)
        }
        layers[node.name] = {"dec": node.dec, "sums": arrays, "formats": plain}
    sqnr = {q.name: q.sqnr_db and round(q.sqnr_db, 2) for q in quality.layers}
    return {"layers": layers, "sqnr_db": sqnr, "agreement": quality.agreement}


def all_facts() -> Iterator[tuple[str, dict[str, Any]]]:
    for graph, x in networks():
        for way, options in WAYS.items():
            yield f"{graph.name}, {way}", facts_of(graph, x, options)


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in all_facts()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
