"""Softmax: within a step of the true one in every format, by the C library and the reference."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_kernels import shared_library
from tests.unit.test_wide_kernels import ptr

from nnom_hil.codegen.layouts import HeaderOptions
from nnom_hil.codegen.weights import weights_h
from nnom_hil.errors import ModelError
from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.qgraph import Int8, QGraph, QInput, QOutput, QSoftmax
from nnom_hil.model.reference import run_reference
from nnom_hil.model.reference_softmax import _power, softmax
from nnom_hil.run.notes import notes_on

Ints = npt.NDArray[Any]
DECS = st.integers(-24, 32)
ONE_ULP = 1e-9


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return shared_library(tmp_path_factory.mktemp("lib"))


def true_softmax(x: Ints, dec: int) -> npt.NDArray[np.float64]:
    powers = np.exp((x.astype(np.float64) - x.max()) * 2.0**-dec)
    return np.asarray(powers / powers.sum())


def check(library: Any, x: Ints, dec: int) -> Ints:
    """Return the library's result: found to be the reference's, in order, a step from true."""
    bits = 8 * x.itemsize - 1
    out = np.zeros_like(x)
    getattr(library, f"nnom_softmax_s{bits + 1}")(ptr(x), len(x), dec, ptr(out))
    np.testing.assert_array_equal(out, softmax(x, dec, bits))
    error = np.abs(out * 2.0**-bits - true_softmax(x, dec)).max()
    assert error <= 2.0**-bits + ONE_ULP
    order = np.argsort(x, kind="stable")
    assert (np.diff(out[order].astype(int)) >= 0).all(), "a larger logit got less"
    assert all(len(set(out[x == v])) == 1 for v in set(x.tolist())), "equal logits differ"
    return out


@given(x=st.lists(st.integers(-128, 127), min_size=2, max_size=16), dec=DECS)
def test_eight_bits(library: Any, x: list[int], dec: int) -> None:
    out = check(library, np.array(x, np.int8), dec)
    assert abs(int(out.astype(int).sum()) - 128) <= len(x) / 2 + 1


@given(top=st.integers(-100, 127), below=st.lists(st.integers(0, 27), max_size=15), dec=DECS)
def test_eight_bits_close_together(library: Any, top: int, below: list[int], dec: int) -> None:
    check(library, np.array([top, *(top - b for b in below)], np.int8), dec)


@given(x=st.lists(st.integers(-32768, 32767), min_size=1, max_size=16), dec=st.integers(-24, 40))
def test_sixteen_bits(library: Any, x: list[int], dec: int) -> None:
    check(library, np.array(x, np.int16), dec)


@pytest.mark.parametrize("dec", [-24, -6, -5, -4, 0, 3, 5, 7, 12, 32])
def test_many_values(library: Any, dec: int) -> None:
    rng = np.random.default_rng(dec + 100)
    for n in (1, 1000, 16384):
        check(library, rng.integers(-128, 128, n).astype(np.int8), dec)
        check(library, rng.integers(-32768, 32768, n).astype(np.int16), dec + 8)
        # one certain class, and all others just below what counts
        for dtype, low in ((np.int8, -128), (np.int16, -32768)):
            x = np.full(n, low, dtype)
            x[n // 2] = min(int(22 * 2.0**dec) - 128, 127) if dtype == np.int8 else 0
            check(library, x, dec)


def test_nothing_at_all(library: Any) -> None:
    library.nnom_softmax_s8(None, 0, 7, None)


def test_powers_fall_with_every_step() -> None:
    """All fractions there are, and the step to the next integer."""
    y = _power(np.arange((1 << 20) + 1))
    assert (np.diff(y) < 0).all()
    assert y[0] == 2 * y[-1] == 1 << 31
    exact = 2.0 ** (31 - np.arange((1 << 20) + 1) / (1 << 20))
    assert np.abs(y / exact - 1).max() < 2.0**-22
    assert _power(np.array([(32 << 20) - 1, 32 << 20, 1 << 50])).tolist() == [0, 0, 0]


def softmax_graph(op: QSoftmax, classes: int = 5, dec: int = 4) -> QGraph:
    return make_qgraph(
        "softmax",
        [
            ("x", QInput(shape=(1, 1, classes), dec=dec), (), None, ""),
            ("softmax", op, ("x",), None, ""),
            ("out", QOutput(), ("softmax",), None, ""),
        ],
    )


LOGITS: Int8 = np.array([[[[20, 16, 0, -9, 20]]]], np.int8)  # 1.25, 1, 0, -0.56, 1.25
TRUE, BASE_TWO = [40, 31, 11, 6, 40], [62, 3, 0, 0, 62]


def test_reference_in_both_behaviours() -> None:
    assert run_reference(softmax_graph(QSoftmax()), LOGITS)[0].tolist() == TRUE
    assert run_reference(softmax_graph(QSoftmax()), LOGITS, compat=True)[0].tolist() == BASE_TWO
    assert run_reference(softmax_graph(QSoftmax(base_two=True)), LOGITS)[0].tolist() == BASE_TWO


def test_readers_are_told_what_base_two_means() -> None:
    assert not notes_on(softmax_graph(QSoftmax()), compat=False)
    for op, compat in ((QSoftmax(), True), (QSoftmax(base_two=True), False)):
        assert "no probabilities" in notes_on(softmax_graph(op), compat=compat)[0]


def test_true_softmax_is_not_portable() -> None:
    options = HeaderOptions(portable=True)
    with pytest.raises(ModelError, match="softmax: NNoM's softmax has base two"):
        weights_h(softmax_graph(QSoftmax()), provenance="a test", options=options)
