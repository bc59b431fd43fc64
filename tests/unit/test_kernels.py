"""Single back-end functions against recordings of NNoM's, called as a user's code calls them."""

import ctypes
import gzip
import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.support.native import Toolchain, library_objects

from nnom_hil.codegen.streams import interleave_dense, interleave_q7_q15
from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.graph import ActivationKind
from nnom_hil.model.qgraph import CellKind, QInput, QOutput, QRnn
from nnom_hil.model.reference import run_all_layers

DATA = Path(__file__).parents[1] / "data" / "kernels.jsonl.gz"
RECORDS: list[dict[str, Any]] = [
    json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines()
]
FUNCTIONS = sorted({r["fn"] for r in RECORDS})
WIDE = {"local_add_q15", "local_sub_q15", "local_mult_q15", "local_sigmoid_q15", "local_tanh_q15"}
Array = npt.NDArray[Any]


def shared_library(folder: Path, *flags: str) -> ctypes.CDLL:
    out = folder / "libnnom.so"
    compiler = ("cc", "-O1", "-fPIC", *os.environ.get("CFLAGS", "").split())
    objects = library_objects(*flags, toolchain=Toolchain(compiler))
    subprocess.run([*compiler, "-shared", *objects, "-o", str(out)], check=True)
    return ctypes.CDLL(str(out))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return shared_library(tmp_path_factory.mktemp("lib"), "-DNNOM_COMPAT_043=1")


def test_recordings_are_whole() -> None:
    assert len(RECORDS) == 660


class Call:
    """One call of a library function on one record: buffers live as long as the call."""

    def __init__(self, library: ctypes.CDLL, record: dict[str, Any]) -> None:
        self.r = record
        self.function = getattr(library, record["fn"].replace("_nobias", ""))
        self.keep: list[Array] = []
        dtype = np.int16 if record["fn"] in WIDE or "vec_q15" in record["fn"] else np.int8
        self.out = np.zeros(len(record["out"]), dtype)

    def ptr(self, values: Array | list[int] | None, dtype: type = np.int8) -> Any:
        if values is None:
            return None
        array: Array = np.ascontiguousarray(values, dtype=dtype)
        self.keep.append(array)
        return array.ctypes.data_as(ctypes.c_void_p)

    def result(self) -> Any:
        return self.out.ctypes.data_as(ctypes.c_void_p)

    def __call__(self, *args: Any) -> None:
        self.function(*args)
        np.testing.assert_array_equal(self.out, self.r["out"])

    def numbers(self, *names: str) -> list[int]:
        return [self.r[n] for n in names]


def check(call: Call) -> None:
    r, fn = call.r, call.r["fn"]
    plane = ("in_x", "in_y")
    window = ("k_x", "k_y", "pad_x", "pad_y", "s_x", "s_y")
    if "convolve" in fn or "depthwise" in fn:
        shifts = (call.ptr(r["bias_shift"], np.int32), call.ptr(r["out_shift"], np.int32))
        head = call.numbers(*plane, "ch_in")
        call(
            call.ptr(r["in"]), *head, call.ptr(r["wt"]), r["ch_out"],
            *call.numbers(*window, "d_x", "d_y"), call.ptr(r["bias"]), *shifts, r["per_axis"],
            call.result(), r["out_x"], r["out_y"], None, None,
        )  # fmt: skip
    elif "pool" in fn:
        shift = [r["out_shift"]] if "ave" in fn else []
        call(
            call.ptr(r["in"]), *call.numbers(*plane, "ch", *window, "out_x", "out_y"),
            *shift, None, call.result(),
        )  # fmt: skip
    elif "fully_connected" in fn:
        dtype = np.int16 if "vec_q15" in fn else np.int8
        call(
            call.ptr(r["in"], dtype), call.ptr(r["wt"]), r["n"], r["rows"],
            r.get("bias_shift", 0), r["out_shift"], call.ptr(r.get("bias")), call.result(), None,
        )  # fmt: skip
    elif "dot" in fn:
        call(call.ptr(r["in"]), call.ptr(r["wt"]), r["n"], r["rows"], r["out_shift"], call.result())
    elif "up_sampling" in fn:
        size = (r["in_x"] * r["k_x"], r["in_y"] * r["k_y"])
        call(
            call.ptr(r["in"]), *call.numbers(*plane, "ch", "k_x", "k_y"), *size, None, call.result()
        )
    elif "padding" in fn or "cropping" in fn:
        sign = 1 if "padding" in fn else -1
        width = r["in_x"] + sign * (r["left"] + r["right"])
        height = r["in_y"] + sign * (r["top"] + r["bottom"])
        border = call.numbers("top", "bottom", "left", "right")
        call(call.ptr(r["in"]), *call.numbers(*plane, "ch"), *border, call.result(), width, height)
    elif "softmax" in fn:
        call(call.ptr(r["in"]), r["n"], call.result())
    elif "multiple" in fn:
        sources = (ctypes.c_void_p * 3)(*(call.ptr(r[k]) for k in "abc"))
        call(call.result(), r["out_shift"], len(r["a"]), 3, sources)
    elif fn.startswith(("local_add", "local_sub", "local_mult")):
        dtype = np.int16 if fn in WIDE else np.int8
        a, b = call.ptr(r["a"], dtype), call.ptr(r["b"], dtype)
        call(a, b, call.result(), r["out_shift"], len(r["a"]))
    else:
        check_activation(call)


def check_activation(call: Call) -> None:
    r, fn = call.r, call.r["fn"]
    call.out[:] = r.get("in", np.arange(-128, 128))
    size = len(call.out)
    if "leaky" in fn:
        call(call.result(), r["param"], size)
    elif "adv" in fn:
        call(call.result(), r["alpha"], r["max"], r["threshold"], size)
    elif "relu" in fn:
        call(call.result(), size)
    else:
        call(call.result(), size, r["int_width"] if fn in WIDE else r["param"])


@pytest.mark.parametrize("fn", [f for f in FUNCTIONS if not f.endswith("_cell")])
def test_kernel_equals_recording(fn: str, library: ctypes.CDLL) -> None:
    for record in RECORDS:
        if record["fn"] == fn:
            check(Call(library, record))


def plain(kind: CellKind, stream: list[int], rows: int, columns: int) -> Array:
    """Return the matrix whose bytes in the library's order are `stream`."""
    interleave = interleave_dense if kind is CellKind.SIMPLE else interleave_q7_q15
    order = interleave(np.arange(rows * columns).reshape(rows, columns))  # type: ignore[arg-type]
    matrix = np.zeros(rows * columns, np.int8)
    matrix[order] = stream
    return matrix.reshape(rows, columns)


@pytest.mark.parametrize("fn", [f for f in FUNCTIONS if f.endswith("_cell")])
def test_cell_equals_recording(fn: str) -> None:
    for r in (r for r in RECORDS if r["fn"] == fn):
        kind = CellKind(fn.removesuffix("_cell"))
        rows, units, features = kind.gates * r["U"], r["U"], r["F"]
        op = QRnn(
            kind=kind,
            weight=plain(kind, r["w"], rows, features),
            recurrent=plain(kind, r["rw"], rows, units),
            bias=np.array(r["b"], np.int8),
            weight_dec=r["w_dec"],
            recurrent_dec=r["rw_dec"],
            bias_dec=r["b_dec"],
            h_dec=r["q_dec_h"],
            z_dec=r.get("q_dec_z", 0),
            c_dec=r.get("q_dec_c", 0),
            input_product_dec=r.get("q_dec_iw", 0),
            state_product_dec=r.get("q_dec_hw", 0),
            activation=ActivationKind.TANH if r.get("tanh", 1) else ActivationKind.SIGMOID,
            return_sequence=bool(r["return_sequence"]),
            go_backwards=bool(r["go_backwards"]),
        )
        shape = (1, r["T"], features)
        graph = make_qgraph(
            "cell",
            [
                ("x", QInput(shape=shape, dec=r["in_dec"]), (), None, ""),
                ("rnn", op, ("x",), None, ""),
                ("out", QOutput(), ("rnn",), None, ""),
            ],
        )
        x = np.array(r["in"], np.int8).reshape(1, *shape)
        y = run_all_layers(graph, x, compat=True)["out"]
        np.testing.assert_array_equal(y.ravel(), r["out"])


def test_every_kernel_of_the_header_is_called_or_covered_elsewhere() -> None:
    counts = Counter(r["fn"] for r in RECORDS)
    assert min(counts.values()) >= 1
    assert len(counts) == len(FUNCTIONS) == 38
