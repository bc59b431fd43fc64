"""16-bit and channel-first kernels, which no converter reaches, against formulas written anew."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.unit.test_kernels import shared_library

Array = npt.NDArray[Any]
ROUNDS = 25


@pytest.fixture(scope="module", params=[0, 1], ids=["right", "compat"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("lib")
    loaded: Any = shared_library(folder, f"-DNNOM_COMPAT_043={request.param}")
    loaded.is_compat = bool(request.param)
    return loaded


def ptr(array: Array | None) -> Any:
    return None if array is None else array.ctypes.data_as(ctypes.c_void_p)


def data(rng: np.random.Generator, wide: bool, *shape: int) -> Array:
    low, high, dtype = (-32768, 32768, np.int16) if wide else (-128, 128, np.int8)
    return rng.integers(low, high, shape).astype(dtype)


def saturate(values: Array, wide: bool) -> Array:
    limit = 32768 if wide else 128
    narrow: Array = values.astype(np.int64).astype(np.int32)  # NNoM narrows before it saturates
    clipped: Array = np.clip(narrow, -limit, limit - 1)
    return clipped


def rounded(total: Array, shift: Array | int) -> Array:
    shifted: Array = (total + ((1 << np.asarray(shift)) >> 1)) >> shift
    return shifted


def to_memory(image: Array, chw: bool) -> Array:
    return np.ascontiguousarray(np.moveaxis(image, -1, 0) if chw else image)


def from_memory(memory: Array, shape: tuple[int, int, int], chw: bool) -> Array:
    h, w, c = shape
    return np.moveaxis(memory.reshape(c, h, w), 0, -1) if chw else memory.reshape(shape)


VARIANTS = [(wide, chw) for wide in (False, True) for chw in (False, True)]


def layout(wide: bool, chw: bool) -> tuple[str, str]:
    return "CHW" if chw else "HWC", "q15" if wide else "q7"


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("wide", "chw"), VARIANTS)
def test_convolution(library: Any, wide: bool, chw: bool, depthwise: bool) -> None:
    rng = np.random.default_rng(5)
    order, kind = layout(wide, chw)
    stem = "local_depthwise_separable_conv" if depthwise else "local_convolve"
    function = getattr(library, f"{stem}_{order}_{kind}_nonsquare")
    for _ in range(ROUNDS):
        h, w, c, kh, kw, sh, sw, dh, dw = (int(v) for v in rng.integers(1, 5, 9))
        h, w = h + (kh - 1) * dh, w + (kw - 1) * dw
        pad = tuple(int(v) for v in rng.integers(0, 2, 2))
        f = c * int(rng.integers(1, 4)) if depthwise else int(rng.integers(1, 6))
        oh, ow = (h - (kh - 1) * dh - 1) // sh + 1, (w - (kw - 1) * dw - 1) // sw + 1
        x = data(rng, wide, h, w, c)
        weight = data(rng, False, kh, kw, f) if depthwise else data(rng, False, f, kh, kw, c)
        bias = data(rng, False, f)
        per_axis = bool(rng.random() < 0.5)
        axes = f if per_axis else 1
        bias_shift, out_shift = (rng.integers(0, n, axes).astype(np.int32) for n in (9, 14))
        expected = np.zeros((oh, ow, f), np.int64)
        for y, z, m, n in np.ndindex(oh, ow, kh, kw):
            r, s = y * sh + m * dh - pad[0], z * sw + n * dw - pad[1]
            if 0 <= r < h and 0 <= s < w:
                cell = x[r, s].astype(np.int64)
                if depthwise:
                    expected[y, z] += cell.repeat(f // c) * weight[m, n]
                else:
                    expected[y, z] += weight[:, m, n].astype(np.int64) @ cell
        total = expected + (bias.astype(np.int64) << bias_shift)
        expected = saturate(rounded(total, out_shift), wide)
        if chw and not depthwise:
            weight = np.ascontiguousarray(weight.transpose(1, 2, 3, 0))
        memory = to_memory(x, chw)
        out = np.zeros(oh * ow * f, x.dtype)
        function(
            ptr(memory), w, h, c, ptr(weight), f, kw, kh, pad[1], pad[0], sw, sh, dw, dh,
            ptr(bias), ptr(bias_shift), ptr(out_shift), int(per_axis), ptr(out), ow, oh, None, None,
        )  # fmt: skip
        np.testing.assert_array_equal(from_memory(out, (oh, ow, f), chw), expected)


@pytest.mark.parametrize("wide", [False, True])
def test_transposed_convolution(library: Any, wide: bool) -> None:
    rng = np.random.default_rng(6)
    function = getattr(library, f"local_conv_trans_HWC_{'q15' if wide else 'q7'}_nonsquare")
    for _ in range(ROUNDS):
        h, w, c, f, kh, kw, sh, sw = (int(v) for v in rng.integers(1, 5, 8))
        oh, ow = h * sh + max(kh - sh, 0), w * sw + max(kw - sw, 0)
        x, weight, bias = (data(rng, i, *s) for i, s in (
            (wide, (h, w, c)), (False, (f, kh, kw, c)), (False, (f,)),
        ))  # fmt: skip
        total = np.zeros((oh, ow, f), np.int64)
        for i, j, m, n in np.ndindex(h, w, kh, kw):
            total[i * sh + m, j * sw + n] += weight[:, m, n].astype(np.int64) @ x[i, j].astype(int)
        expected = saturate(rounded(total + (bias.astype(np.int64) << 3), 9), wide)
        out = np.zeros((oh, ow, f), x.dtype)
        function(
            ptr(x), w, h, c, ptr(weight), f, kw, kh, 0, 0, sw, sh, 1, 1, ptr(bias), 3, 9,
            ptr(out), ow, oh, None, None,
        )  # fmt: skip
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("what", ["max", "ave", "sum"])
@pytest.mark.parametrize(("wide", "chw"), VARIANTS)
def test_pooling(library: Any, wide: bool, chw: bool, what: str) -> None:
    rng = np.random.default_rng(7)
    order, kind = layout(wide, chw)
    function = getattr(library, f"local_{what}pool_{kind}_{order}")
    for _ in range(ROUNDS):
        h, w, c, kh, kw, sh, sw = (int(v) for v in rng.integers(1, 5, 7))
        h, w = h + kh, w + kw
        oh, ow, shift = (h - kh) // sh + 1, (w - kw) // sw + 1, int(rng.integers(0, 2))
        x = data(rng, wide, h, w, c)
        expected = np.zeros((oh, ow, c), np.int64)
        for y, z in np.ndindex(oh, ow):
            cells = x[y * sh : y * sh + kh, z * sw : z * sw + kw].astype(np.int64)
            total = cells.sum(axis=(0, 1))
            if what == "max":
                expected[y, z] = cells.max(axis=(0, 1))
            elif what == "sum":
                expected[y, z] = total
            else:
                count = max((kh * kw) >> shift, 1)
                average = np.sign(total) * (np.abs(total) // count)
                limit = np.iinfo(x.dtype)
                # NNoM cuts off what its shift lets overflow
                expected[y, z] = (
                    average if library.is_compat else average.clip(limit.min, limit.max)
                )
        if what == "sum" and wide:
            expected = np.clip(expected >> shift, -32768, 32767)
        elif what == "sum":
            common = next(s for s in range(32) if 127 * (1 + s) >= np.abs(expected).max())
            expected = expected >> common
        has_shift = what == "ave" or (what == "sum" and wide)
        memory = to_memory(x, chw)
        out = np.zeros(oh * ow * c, x.dtype)
        function(
            ptr(memory), w, h, c, kw, kh, 0, 0, sw, sh, ow, oh, *([shift] if has_shift else []),
            None, ptr(out),
        )  # fmt: skip
        got = from_memory(out, (oh, ow, c), chw)
        np.testing.assert_array_equal(got, expected.astype(x.dtype))


@pytest.mark.parametrize(("wide", "chw"), VARIANTS)
def test_data_movement(library: Any, wide: bool, chw: bool) -> None:
    rng = np.random.default_rng(8)
    order, kind = layout(wide, chw)
    for _ in range(ROUNDS):
        h, w, c, a, b = (int(v) for v in rng.integers(1, 5, 5))
        top, bottom, left, right = (int(v) for v in rng.integers(0, 3, 4))
        x = data(rng, wide, h, w, c)
        padded = np.pad(x, ((top, bottom), (left, right), (0, 0)))
        cases = [
            (f"local_up_sampling_{kind}_{order}", x, x.repeat(a, 0).repeat(b, 1), (b, a), True),
            (f"local_zero_padding_{order}_{kind}", x, padded, (top, bottom, left, right), False),
            (f"local_cropping_{order}_{kind}", padded, x, (top, bottom, left, right), False),
        ]
        for name, source, expected, arguments, size_first in cases:
            memory = to_memory(source, chw)
            shape = expected.shape
            out = np.full(expected.size, 99, x.dtype)
            size = (shape[1], shape[0])
            head = (ptr(memory), source.shape[1], source.shape[0], c, *arguments)
            tail = (*size, None, ptr(out)) if size_first else (ptr(out), *size)
            getattr(library, name)(*head, *tail)
            np.testing.assert_array_equal(from_memory(out, shape, chw), expected)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("name", ["add", "sub", "mult"])
def test_element_wise(library: Any, wide: bool, name: str) -> None:
    rng = np.random.default_rng(9)
    kind = "q15" if wide else "q7"
    operation: Callable[[Array, Array], Array] = {
        "add": np.add, "sub": np.subtract, "mult": np.multiply,
    }[name]  # fmt: skip
    for shift in range(12):
        sources = [data(rng, wide, 40) for _ in range(3)]
        values = [s.astype(np.int64) for s in sources]
        out = np.zeros(40, sources[0].dtype)
        limit = 32768 if wide else 128
        getattr(library, f"local_{name}_{kind}")(*map(ptr, [*sources[:2], out]), shift, 40)
        two = rounded(operation(values[0], values[1]), shift)
        np.testing.assert_array_equal(out, np.clip(two, -limit, limit - 1))
        pointers = (ctypes.c_void_p * 3)(*(s.ctypes.data for s in sources))
        getattr(library, f"local_multiple_{name}_{kind}")(ptr(out), shift, 40, 3, pointers)
        three = rounded(operation(operation(values[0], values[1]), values[2]), shift)
        np.testing.assert_array_equal(out, np.clip(three, -limit, limit - 1))


def test_wide_activations(library: Any) -> None:
    x = np.arange(-32768, 32768, 7).astype(np.int16)
    v = x.astype(np.int64)

    def run(name: str, *arguments: int) -> Array:
        out = x.copy()
        size = len(out)
        args = (*arguments, size) if "relu" in name else (size, *arguments)
        getattr(library, f"local_{name}_q15")(ptr(out), *args)
        return out

    def slope(values: Array, alpha: int) -> Array:
        product: Array = np.sign(values * alpha) * (np.abs(values * alpha) // 128)
        return product

    np.testing.assert_array_equal(run("relu"), np.maximum(v, 0))
    np.testing.assert_array_equal(run("leaky_relu", 25), np.where(v < 0, slope(v, 25), v))
    clipped = np.minimum(v, 9000)
    at = int(x[x > 500][0])  # Keras takes the lower branch at the threshold, NNoM the upper
    below = clipped < at if library.is_compat else v <= at
    expected = np.where(below, slope(clipped - at, 30), clipped)
    np.testing.assert_array_equal(run("adv_relu", 30, 9000, at), expected)
    for dec8 in (0, 3, 5, 7, 9):
        dec = dec8 + 8
        limit = int(2.5 * (1 << dec) - 1) if dec <= 15 else 65536
        middle = ((v * 6554) >> dec) + 16384
        expected = np.where(v <= -limit, 0, np.where(v >= limit, 32767, middle))
        np.testing.assert_array_equal(run("hard_sigmoid", dec8), expected.astype(np.int16))
        one = 1 << dec if dec <= 15 else 65536
        middle = v << (15 - dec) if dec <= 15 else v >> (dec - 15)
        expected = np.where(v <= -one, -32768, np.where(v >= one, 32767, middle))
        expected = v if dec == 15 else expected
        np.testing.assert_array_equal(run("hard_tanh", dec8), expected.astype(np.int16))


@pytest.mark.parametrize("int_width", range(4))
def test_wide_tables_are_close_to_the_functions(library: Any, int_width: int) -> None:
    x = np.arange(-32768, 32768, 11).astype(np.int16)
    real = x / 2.0 ** (15 - int_width)
    for name, exact in (("sigmoid", 1 / (1 + np.exp(-real))), ("tanh", np.tanh(real))):
        out = x.copy()
        getattr(library, f"local_{name}_q15")(ptr(out), len(out), int_width)
        assert np.abs(out / 32768 - exact).max() < 1e-3


def test_wide_softmax(library: Any) -> None:
    for values, expected in (
        ([5, 5], [16384, 16384]),
        ([100, 0, 0], [32767, 0, 0]),
        ([7, 6, 5, 5], [16384, 8192, 4096, 4096]),
        ([0], [32767]),
    ):
        x, out = np.array(values, np.int16), np.zeros(len(values), np.int16)
        library.local_softmax_q15(ptr(x), len(values), ptr(out))
        assert out.tolist() == expected


def test_dot_products_and_conversions(library: Any) -> None:
    rng = np.random.default_rng(10)
    for rows, columns in ((1, 1), (4, 2), (6, 5), (9, 7)):
        v, m = data(rng, True, columns), data(rng, True, rows, columns)
        v8, m8 = data(rng, False, columns), data(rng, False, rows, columns)
        expected = saturate(rounded(m.astype(np.int64) @ v.astype(np.int64), 15), True)
        out = np.zeros(rows, np.int16)
        library.local_dot_q15(ptr(v), ptr(m), columns, rows, 15, ptr(out))
        np.testing.assert_array_equal(out, expected)
        stream = []
        for r in range(0, rows - rows % 4, 4):
            for c in range(0, columns - columns % 2, 2):
                stream += [m[r + k, c + i] for k in range(4) for i in range(2)]
            stream += [m[r + k, columns - 1] for k in range(4)] if columns % 2 else []
        stream += m[rows - rows % 4 :].ravel().tolist()
        interleaved = np.array(stream, np.int16)
        library.local_dot_q15_opt(ptr(v), ptr(interleaved), columns, rows, 15, ptr(out))
        np.testing.assert_array_equal(out, expected)
        out8 = np.zeros(rows, np.int8)
        library.local_dot_q7(ptr(v8), ptr(m8), columns, rows, 7, ptr(out8))
        total = rounded(m8.astype(np.int64) @ v8.astype(np.int64), 7)
        np.testing.assert_array_equal(out8, np.clip(total, -128, 127))
    x, wide = data(rng, False, 9), np.zeros(9, np.int16)
    library.local_q7_to_q15_no_shift(ptr(x), ptr(wide), 9)
    np.testing.assert_array_equal(wide, x)
    library.local_q7_to_q15(ptr(x), ptr(wide), 9)
    np.testing.assert_array_equal(wide, x.astype(np.int16) * 256)
    back = np.zeros(9, np.int8)
    library.local_q15_to_q7(ptr(wide), ptr(back), 8, 9)
    np.testing.assert_array_equal(back, x)
    library.local_1_minor_z_q15(ptr(wide), ptr(wide), 15, 9)
    np.testing.assert_array_equal(wide, (32767 - x.astype(int) * 256).astype(np.int16))
