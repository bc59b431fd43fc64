"""weights.h: what the converter writes compiles, runs and equals the reference; names are safe."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.headers import MAIN, Library
from tests.support.native import build_native
from tests.unit.test_quantise import calibration, chain

from nnom_hil.codegen.names import c_identifiers
from nnom_hil.codegen.streams import interleave_dense
from nnom_hil.codegen.weights import weights_h
from nnom_hil.model.qgraph import Int8, QGraph, QNode
from nnom_hil.model.quantise import QuantiseOptions, quantise, to_int8
from nnom_hil.model.reference import run_reference


def run_native(graph: QGraph, x: Int8, folder: Path, *, compat: bool) -> Int8:
    library = Library(f"-DNNOM_COMPAT_043={int(compat)}")
    return library.run(weights_h(graph, provenance="a test"), x, folder)


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
def test_header_runs_and_equals_the_reference(
    compat: bool, per_channel: bool, tmp_path: Path
) -> None:
    graph = quantise(chain(), calibration(), QuantiseOptions(per_channel=per_channel))
    x = to_int8(calibration(20), graph.input.dec)
    np.testing.assert_array_equal(
        run_native(graph, x, tmp_path, compat=compat), run_reference(graph, x, compat=compat)
    )


def test_header_is_plain_c99_without_warnings(tmp_path: Path) -> None:
    graph = quantise(chain(depthwise=True), calibration())
    (tmp_path / "weights.h").write_text(weights_h(graph, provenance="a test"))
    (tmp_path / "main.c").write_text(MAIN)
    build_native(
        tmp_path / "main.c", tmp_path / "run", "-Wno-cast-qual", f"-I{tmp_path}", warnings=True
    )


@pytest.mark.parametrize("per_channel", [False, True])
def test_header_is_cpp_20_without_warnings(per_channel: bool, tmp_path: Path) -> None:
    """In a C++ program, linked with the library in C: C++20 has designated initialisers."""
    graph = quantise(chain(), calibration(), QuantiseOptions(per_channel=per_channel))
    x = to_int8(calibration(4), graph.input.dec)
    library = Library()
    for standard in ("c++20", "c++14"):
        strict = ["-Wall", "-Wextra", "-Werror"] + (["-Wpedantic"] if standard == "c++20" else [])
        y = library.run(
            weights_h(graph, provenance="a test"), x, tmp_path / standard,
            compiler=("c++", f"-std={standard}", "-xc++", *strict),
        )  # fmt: skip
        np.testing.assert_array_equal(y, run_reference(graph, x))


def test_same_graph_gives_the_same_bytes() -> None:
    graph = quantise(chain(), calibration())
    assert weights_h(graph, provenance="a") == weights_h(graph, provenance="a")


def test_names_of_the_model_cannot_leave_their_place(tmp_path: Path) -> None:
    graph = quantise(chain(), calibration())
    evil = {
        "n0": 'x"; int main(void){return 1;} //',
        "n1": "*/ int evil; /*",
        "n4": "while",
        "n5": "N\nN",
        "n6": "n N",
    }

    def renamed(node: QNode) -> QNode:
        inputs = tuple(evil.get(i, i) for i in node.inputs)
        return replace(node, name=evil.get(node.name, node.name), inputs=inputs)

    hostile = QGraph(name="x", nodes=tuple(renamed(n) for n in graph.nodes))
    text = weights_h(hostile, provenance="*/ int evil; /*\n#error")
    assert text.count("*/") == 2  # who made it, and what the input takes
    assert not re.search(
        r"^#error(?! .this header is for)|int evil;.*[^/]$|^int main", text.split("\n", 1)[1], re.M
    )
    x = to_int8(calibration(2), graph.input.dec)
    np.testing.assert_array_equal(
        run_native(hostile, x, tmp_path, compat=False), run_reference(graph, x)
    )


@given(st.lists(st.text(), unique=True))
def test_identifiers_are_valid_and_unique_in_any_case(names: list[str]) -> None:
    idents = c_identifiers(names)
    assert set(idents) == set(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", i) for i in idents.values())
    assert len({i.upper() for i in idents.values()}) == len(names)


@given(st.integers(1, 13), st.integers(1, 13))
def test_interleaving_only_moves_bytes(units: int, inputs: int) -> None:
    weight = np.arange(units * inputs).astype(np.int8).reshape(units, inputs)
    assert sorted(interleave_dense(weight)) == sorted(weight.ravel())


def test_interleaving_is_the_specified_order() -> None:
    m = np.arange(20).astype(np.int8).reshape(4, 5)  # entry (r, c) is 5 r + c
    expected = [0, 5, 2, 7, 10, 15, 12, 17, 1, 6, 3, 8, 11, 16, 13, 18, 4, 9, 14, 19]
    assert interleave_dense(m).tolist() == expected
