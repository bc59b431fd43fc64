"""Random chains of ONNX operators compute what onnxruntime does, whatever order data stands in."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from tests.support.headers import Library
from tests.support.imported import check_bytes, check_floats, made_onnx, read_here, vectors

from nnom_hil.errors import ModelError

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
MODELS = 600 if NIGHTLY else 60
BUILT_EACH = 20
Rng = np.random.Generator


@dataclass
class Chain:
    """A model that grows: its last result and the shape of it, batch included."""

    rng: Rng
    shape: tuple[int, ...]
    last: str = "x"
    given: tuple[int, ...] = ()
    nodes: list[Any] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)

    def some(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        fan = max(int(np.prod(shape[1:])), 1)
        self.weights[name] = self.rng.normal(0, 1 / np.sqrt(fan), shape).astype(np.float32)
        return name

    def whole(self, values: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(values, np.int64)
        return name

    def add(self, kind: str, *inputs: str, shape: tuple[int, ...] | None = None, **how: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.last, *inputs], [name], **how))
        self.last, self.shape = name, shape or self.shape
        return name


def spatial(c: Chain) -> None:
    channels, *lengths = c.shape[1:]
    count, rng = len(lengths), c.rng
    size = [int(k) for k in rng.integers(1, 4, count)]
    stride = [int(s) for s in rng.integers(1, 3, count)]
    pads = [int(p) for p in rng.integers(0, 2, 2 * count)]
    out = tuple(
        (n + pads[i] + pads[i + count] - size[i]) // stride[i] + 1 for i, n in enumerate(lengths)
    )
    match int(rng.integers(5)):
        case 0 | 1 if min(out) > 0:
            groups = c.some(1, 1, channels)
            filters = groups * int(rng.integers(1, 4))
            weight = c.weight(filters, channels // groups, *size)
            c.add("Conv", weight, c.weight(filters), shape=(1, filters, *out), group=groups,
                  pads=pads, strides=stride)  # fmt: skip
        case 2 if min(out) > 0 and all(p < k for p, k in zip(pads, size * 2, strict=True)):
            kind = c.some("MaxPool", "AveragePool")
            how = {"count_include_pad": 1} if kind == "AveragePool" else {}
            c.add(kind, shape=(1, channels, *out), kernel_shape=size, pads=pads, strides=stride,
                  **how)  # fmt: skip
        case 3 if max(lengths) < 8 and count == 2:
            scales = f"w{len(c.weights)}"
            c.weights[scales] = np.array([1, 1, 2, 1], np.float32)
            c.add("Resize", "", scales, shape=(1, channels, 2 * lengths[0], lengths[1]))
        case _:
            filters = int(rng.integers(1, 5))
            weight = c.weight(channels, filters, *[2] * count)
            longer = tuple(2 * n for n in lengths)
            if max(longer) < 16:
                c.add("ConvTranspose", weight, shape=(1, filters, *longer), strides=[2] * count)


def pointwise(c: Chain) -> None:
    match int(c.rng.integers(6)):
        case 0:
            c.add(c.some("Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "HardSigmoid"))
        case 1:
            c.add(c.some("Add", "Mul", "Sub"), c.weight(*c.shape[1:2], *[1] * (len(c.shape) - 2)))
        case 2:
            before = c.last
            c.add("Tanh")
            c.add(c.some("Add", "Mul", "Sub"), before)
        case 3:
            before, axis = c.last, int(c.rng.integers(1, len(c.shape)))
            c.add("Relu")
            longer = tuple(2 * n if a == axis else n for a, n in enumerate(c.shape))
            c.add("Concat", before, shape=longer, axis=axis)
        case 4:
            axis = int(c.rng.integers(1, len(c.shape)))
            if c.shape[axis] > 2:
                less = tuple(n - 1 if a == axis else n for a, n in enumerate(c.shape))
                c.add("Slice", c.whole([1]), c.whole([99]), c.whole([axis]), shape=less)
        case _:
            scale, offset = c.weight(*c.shape[1:]), c.weight(1)
            c.add("Mul", scale)
            c.add("Add", offset)


def moved(c: Chain) -> None:
    """There and back: what stands in between has its data in another order."""
    rank = len(c.shape)
    order = [0, *range(2, rank), 1]
    back = [0, rank - 1, *range(1, rank - 1)]
    before, after = c.shape, tuple(c.shape[a] for a in order)
    c.add("Transpose", shape=after, perm=order)
    match int(c.rng.integers(3)):
        case 0:
            units = int(c.rng.integers(1, 6))
            c.add("MatMul", c.weight(after[-1], units), shape=(*after[:-1], units))
        case 1:
            c.add("Sigmoid")
        case _:
            c.add("Reshape", c.whole([1, -1]), shape=(1, int(np.prod(after))))
            c.add("Relu")
            c.add("Reshape", c.whole(after), shape=after)
    now = c.shape
    c.add("Transpose", shape=tuple(now[a] for a in back), perm=back)
    assert len(c.shape) == len(before)


def ended(c: Chain) -> None:
    match int(c.rng.integers(4)):
        case 0:
            c.add("Flatten", shape=(1, int(np.prod(c.shape))))
            c.add("Gemm", c.weight(5, c.shape[1]), c.weight(5), shape=(1, 5), transB=1)
            c.add("Softmax")
        case 1:
            c.add("GlobalAveragePool", shape=(1, c.shape[1], *[1] * (len(c.shape) - 2)))
            c.add("Flatten", shape=(1, c.shape[1]))
        case 2:
            c.add("ReduceMax", shape=c.shape[:2], axes=list(range(2, len(c.shape))), keepdims=0)
        case _:
            c.add("Tanh")


def chain(seed: int) -> Chain:
    rng = np.random.default_rng(seed)
    spatial_shape = rng.integers(3, 8, int(rng.integers(1, 3)))
    shape = (1, int(rng.integers(1, 4)), *(int(n) for n in spatial_shape))
    c = Chain(rng, shape, given=shape)
    for _ in range(int(rng.integers(1, 6))):
        c.some(spatial, spatial, pointwise, moved)(c)
        if int(np.prod(c.shape)) > 2000:
            break
    ended(c)
    return c


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.mark.parametrize("first", range(0, MODELS, BUILT_EACH))
def test_random_chains(first: int, library: Library, tmp_path: Path) -> None:
    refused = 0
    for seed in range(first, first + BUILT_EACH):
        c = chain(seed)
        path = made_onnx(tmp_path / f"{seed}.onnx", c.nodes, c.given, c.last, c.weights)
        try:
            model = read_here(path)
        except ModelError:  # what NNoM cannot do is told; nothing else is raised
            refused += 1
            continue
        x = vectors(model, 6, seed)
        check_floats(model, x)
        if seed == first or NIGHTLY:
            check_bytes(model, x, library, tmp_path / str(seed))
    assert refused <= BUILT_EACH // 4
