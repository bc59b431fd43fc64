"""The compact encoding: what it decodes to, how short it is, and that C and Python agree."""

import ctypes
import subprocess
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnom_hil.errors import UsageError
from nnom_hil.link.compact import Int8, Layout, decode_compact, encode_compact, layout_of
from nnom_hil.link.faults import LinkFaults
from nnom_hil.paths import firmware_dir
from nnom_hil.run.prepare import ConvertOptions, find_model, prepare
from nnom_hil.tool import find_tool

SHAPES = [(28, 28, 1), (8, 8, 3), (7, 4), (5,), (100,), (1, 1, 1), (3, 33, 2)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The target's decoder, with sanitizers that end the process."""
    path = tmp_path_factory.mktemp("compact") / "compact.so"
    subprocess.run(
        [
            find_tool("cc"), "-O1", "-g", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror",
            "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error",
            f"-I{firmware_dir()}", firmware_dir() / "agent" / "compact.c", "-o", path,
        ],
        check=True,
    )  # fmt: skip
    loaded = ctypes.CDLL(str(path))
    loaded.compact_decode.restype = ctypes.c_bool
    return loaded


def decoded(library: Any, data: bytes, size: int, layout: Layout) -> bytes:
    out = ctypes.create_string_buffer(size + 8)
    out.raw = b"\xa5" * (size + 8)
    assert library.compact_decode(data, len(data), layout.step, layout.stride, out, size)
    assert out.raw[size:] == b"\xa5" * 8
    return out.raw[:size]


def random_vectors(seed: int, shape: tuple[int, ...]) -> Int8:
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    noise = rng.integers(-128, 128, (3, size))
    smooth = np.cumsum(rng.integers(-2, 3, (3, size)), axis=1)
    sparse = noise * (rng.random((3, size)) < 0.1)
    return np.concatenate([noise, smooth, sparse, np.full((1, size), -128)]).astype(np.int8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_target_decodes_what_the_host_encodes(library: Any, shape: tuple[int, ...]) -> None:
    layout = layout_of(shape)
    assert layout is not None
    for seed in range(5):
        x = random_vectors(seed, shape)
        for row, data in zip(x, encode_compact(x, layout), strict=True):
            assert decoded(library, data, row.size, layout) == row.tobytes()
    assert decode_compact(data, row.size, layout) == row.tobytes()


@settings(deadline=None, max_examples=300)
@given(data=st.binary(max_size=200), shape=st.sampled_from(SHAPES))
def test_any_bytes_decode_to_something_the_same_in_both(
    library: Any, data: bytes, shape: tuple[int, ...]
) -> None:
    layout, size = layout_of(shape), min(int(np.prod(shape)), 60)
    assert layout is not None
    assert decoded(library, data, size, layout) == decode_compact(data, size, layout)


@pytest.mark.parametrize("layout", [(0, 28), (1, 0), (3, 28), (1, 1024), (2, 1)])
def test_layouts_that_cannot_be_are_refused(library: Any, layout: tuple[int, int]) -> None:
    out = ctypes.create_string_buffer(64)
    assert not library.compact_decode(b"abc", 3, *layout, out, 64)


@pytest.mark.parametrize(("raw", "times"), [(True, 3.0), (False, 2.75)])
def test_digit_images_take_a_third_and_random_data_is_left_alone(raw: bool, times: float) -> None:
    """With all eight bits in use there is a bit more of noise to carry."""
    prepared = prepare(find_model(None), None, options=ConvertOptions(raw_input=raw))
    layout = layout_of(prepared.graph.input.shape)
    assert layout is not None
    encoded = encode_compact(prepared.x, layout)
    assert prepared.x.size >= times * sum(map(len, encoded))
    noise = np.random.default_rng(0).integers(-128, 128, (20, 784), dtype=np.int8)
    assert min(map(len, encode_compact(noise, layout))) > 784  # so that the runner sends it raw


def test_rows_that_are_too_long_have_no_layout() -> None:
    assert layout_of((2, 400, 3)) is None
    assert layout_of((640,)) == Layout(1, 32)


# ---- planted faults, as users write them


def test_faults_are_read_and_written() -> None:
    faults = LinkFaults.parse("byte_error=0.01, drop=0.005,resets=2")
    assert (faults.byte_error, faults.drop, faults.resets) == (0.01, 0.005, 2)
    assert LinkFaults.parse(str(faults)) == faults


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bite_error=1", "no fault 'bite_error'; known: byte_error, drop"),
        ("drop=2", "drop=2: needs a number from 0 to 1"),
        ("drop", "drop: needs a number"),
        ("resets=1.5", "resets=1.5: needs a whole number from 0 to 1000"),
        ("drop=nan", "needs a number from 0 to 1"),
    ],
)
def test_faults_that_cannot_be_are_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LinkFaults.parse(text)
