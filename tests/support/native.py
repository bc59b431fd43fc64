"""Quantised graphs run by the C library on this machine, under AddressSanitizer and UBSan."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.layouts import channel_first
from nnom_hil.codegen.streams import interleave_dense, interleave_q7_q15
from nnom_hil.model.graph import (
    ActivationKind,
    Cropping,
    Flatten,
    GlobalPool,
    Padding,
    Pool,
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

ROOT = Path(__file__).parents[2]
NNOM = ROOT / "firmware" / "nnom"
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@dataclass(frozen=True)
class Toolchain:
    """A C compiler with its flags, and what runs its programs here (nothing: this machine)."""

    command: tuple[str, ...] = ("cc", "-O1", *SANITIZERS)
    emulator: tuple[str, ...] = ()


HOST = Toolchain()
OBJECTS = "NNOM_TEST_OBJECTS"
"""Environment variable that names the folder of a test run's objects, for all its workers."""


def library_sources(sources: Path = NNOM / "src") -> list[Path]:
    """Return the library's C files, found as its users' globs find them."""
    return sorted([*sources.glob("*/*.c"), *sources.glob("kernels/*/*.c")])


def build_native(
    main: Path,
    out: Path,
    *flags: str,
    warnings: bool = True,
    sources: Path = NNOM / "src",
    toolchain: Toolchain = HOST,
) -> Path:
    """Compile a C program with the whole library, as its users do: two globs, two folders.

    The library itself is compiled once in a test run for each set of flags that it could notice.
    """
    library = library_objects(*flags, sources=sources, toolchain=toolchain)
    command = [*toolchain.command, "-std=c99", "-g", *(WARNINGS if warnings else []), *flags]
    command += [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}", str(main), *library, "-lm"]
    subprocess.run([*command, "-o", str(out)], check=True)
    return out


def _of_library(flags: Sequence[str]) -> list[str]:
    """Leave out what only the program looks at: its header, and folders that no port names."""
    has_port = any(flag.startswith("-DNNOM_PORT_CONFIG") for flag in flags)
    mine = ("-DHEADER=", "-DCASES=") if has_port else ("-DHEADER=", "-DCASES=", "-I")
    return [flag for flag in flags if not flag.startswith(mine)]


def library_objects(
    *flags: str, sources: Path = NNOM / "src", toolchain: Toolchain = HOST
) -> list[str]:
    """Return the library's objects, of another worker of this run if it has made them."""
    is_silent = any("NNOM_LOG" in flag for flag in flags)  # which leaves variables unused
    command = [*toolchain.command, "-std=c99", "-g1", *([] if is_silent else WARNINGS)]
    command += _of_library(flags)
    command += [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}"]
    key = hashlib.sha256(repr((command, str(sources))).encode()).hexdigest()[:16]
    place = Path(os.environ[OBJECTS]) / key
    with (place.parent / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            objects = [object_of(command, file) for file in library_sources(sources)]
            place.write_text("\n".join(objects))
    return place.read_text().splitlines()


def object_of(command: Sequence[str], source: Path) -> str:
    """Return a file's object; most macros change few files, and what they give is the key."""
    seen = subprocess.run([*command, "-E", str(source)], check=True, capture_output=True).stdout
    options = [word for word in command if not word.startswith(("-D", "-I"))]
    key = hashlib.sha256(repr(options).encode() + seen).hexdigest()[:16]
    place = Path(os.environ[OBJECTS]) / f"{source.stem}-{key}.o"
    if not place.exists():
        made = place.with_suffix(f".{os.getpid()}.o")
        subprocess.run([*command, "-c", str(source), "-o", str(made)], check=True)
        made.rename(place)
    return str(place)


@dataclass(frozen=True)
class NativeRun:
    """What one graph did: the console text, and every layer's output (runs, elements) by name.

    buffer_size: bytes of the network buffer. results: the user's output buffer after each run.
    """

    text: str
    compile_status: int
    buffer_size: int
    order: tuple[str, ...]
    layers: dict[str, Int8]
    results: Int8
    formats: dict[str, "Format"]


@dataclass(frozen=True)
class Format:
    """What the library's structures say of a layer's output."""

    dec: int
    bitwidth: int
    shape: tuple[int, ...]


class Runner:
    """tests/native/graph_runner.c, built in one of the two behaviours."""

    def __init__(self, *program: str | Path, channel_first: bool = False) -> None:
        self._program = program
        self._channel_first = channel_first

    @classmethod
    def build(
        cls, folder: Path, *, compat: bool, channel_first: bool = False, toolchain: Toolchain = HOST
    ) -> "Runner":
        main = ROOT / "tests" / "native" / "graph_runner.c"
        out = folder / f"graph_runner_{int(compat)}"
        # the runner reads numbers of its own making, so its conversions need no ceremony
        flags = [f"-DNNOM_COMPAT_043={int(compat)}", "-Wno-conversion", f"-I{main.parent}"]
        flags += ['-DNNOM_PORT_CONFIG="runner_port.h"']
        flags += ["-DNNOM_USING_CHW"] if channel_first else []
        program = build_native(main, out, *flags, toolchain=toolchain)
        return cls(*toolchain.emulator, program, channel_first=channel_first)

    def run_failing(self, graph: QGraph, x: Int8) -> list[tuple[int, int]]:
        """Run a graph once for each of its allocations, that one failing.

        Return (status of compilation, status of the run) of each.
        """
        script = describe(graph, x)
        count = self._execute(script)[1].split("allocations ")[1].split()[0]
        _, results = self._execute("".join(f"fail {k}\n{script}" for k in range(int(count))))
        statuses = []
        for result in results.split("done\n")[:-1]:
            compiled, ran = (result.split(f"{word} ")[1].split()[0] for word in ("compiled", "ran"))
            statuses.append((int(compiled), int(ran)))
        return statuses

    def _execute(self, script: str) -> tuple[str, str]:
        done = subprocess.run(
            self._program, input=script, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"graph_runner failed ({done.returncode}):\n{done.stderr[-3000:]}")
        return done.stdout, done.stderr

    def run(self, graphs: list[tuple[QGraph, Int8]]) -> list[NativeRun]:
        script = "".join(
            describe(channel_first(graph) if self._channel_first else graph, x)
            for graph, x in graphs
        )
        printed, told = self._execute(script)
        texts = printed.split("NNoM version")[1:]
        results = told.split("done\n")[:-1]
        assert len(results) == len(graphs)
        return [
            _parse(graph, "NNoM version" + text, result)
            for (graph, _), text, result in zip(graphs, texts, results, strict=True)
        ]


def _parse(graph: QGraph, text: str, result: str) -> NativeRun:
    names = [node.name for node in graph.nodes]
    outputs: dict[str, list[list[int]]] = {}
    status, buffer_size = 1, 0
    results: list[list[int]] = []
    formats: dict[str, Format] = {}
    for line in result.splitlines():
        words = line.split()
        if words[0] == "compiled":
            status = int(words[1])
        elif words[0] == "buffer":
            buffer_size = int(words[1])
        elif words[0] == "format":
            index, bitwidth, dec, *shape = (int(w) for w in words[1:])
            formats[names[index]] = Format(dec=dec, bitwidth=bitwidth, shape=tuple(shape))
        elif words[0] == "result":
            results.append([int(w) for w in words[1:]])
        elif words[0] == "out":
            outputs.setdefault(names[int(words[1])], []).append([int(w) for w in words[3:]])
    layers = {name: np.array(rows, dtype=np.int8) for name, rows in outputs.items()}
    return NativeRun(
        text=text,
        compile_status=status,
        buffer_size=buffer_size,
        order=tuple(outputs),
        layers=layers,
        results=np.array(results, dtype=np.int8),
        formats=formats,
    )


def describe(graph: QGraph, x: Int8) -> str:
    """Return the graph and its runs in graph_runner's language."""
    index = {node.name: i for i, node in enumerate(graph.nodes)}
    lines = [f"graph {len(graph.nodes)}"]
    for node in graph.nodes:
        kind, parameters = _layer(graph, node)
        inputs = " ".join(str(index[i]) for i in node.inputs)
        lines.append(f"{kind} {len(node.inputs)} {inputs} {parameters}")
    lines += [
        f"tail {index[node.name]} {_activation(node.tail)}" for node in graph.nodes if node.tail
    ]
    lines += [
        f"dec {index[node.name]} {node.dec}"
        for node in graph.nodes
        if isinstance(node.op, Merge) and node.op.halvings and node.tail is None
    ]
    lines += [f"run {_array(row)}" for row in x]
    return "\n".join([*lines, "end", ""])


def _array(values: npt.ArrayLike | None) -> str:
    if values is None:
        return "-1"
    flat = np.ravel(values)
    return f"{len(flat)} " + " ".join(map(str, flat.tolist()))


def _tensor(shape: tuple[int, ...], dec: tuple[int, ...], data: Int8 | None) -> str:
    return f"{_array(shape)} {int(len(dec) > 1)} {_array(dec)} {_array(data)}"


def _activation(op: QActivation) -> str:
    maximum = "inf" if op.max_value is None else repr(op.max_value)
    return f"{op.kind.value} {op.dec} {op.negative_slope!r} {maximum} {op.threshold!r}"


def _pair(a: int, b: int) -> str:
    return f"{a} {b}"


def _layer(graph: QGraph, node: QNode) -> tuple[str, str]:
    match node.op:
        case QInput() as op:
            return "input", f"{_array(op.shape)} 1 {op.dec}"
        case QOutput():
            return "output", f"{_array(node.shape)} 1 {node.dec}"
        case QConv() as op:
            (kh, kw), (sh, sw), (dh, dw) = op.kernel, op.stride, op.dilation
            if op.depthwise:
                shape, filters = op.weight.shape, op.weight.shape[3]
            else:
                f, _, _, c = op.weight.shape
                shape, filters = (kh, kw, c, f), f
            if op.dims == 1:
                shape = shape[1:]
                kh, kw, sh, sw, dh, dw = kw, 0, sw, 0, dw, 0
            return (
                "conv2d_trans" if op.transposed else "dw_conv2d" if op.depthwise else "conv2d",
                " ".join(
                    [
                        _tensor(shape, op.weight_dec, op.weight),
                        _tensor((op.channels_out,), op.bias_dec, op.bias),
                        _array(op.output_shift),
                        _array(op.bias_shift),
                        str(filters),
                        _pair(kh, kw),
                        _pair(sh, sw),
                        _pair(dh, dw),
                        str(int(op.padding is Padding.SAME)),
                        str(op.pad_value),
                    ]
                ),
            )
        case QDense() as op:
            units, inputs = op.weight.shape
            stream = op.weight if op.is_per_unit else interleave_dense(op.weight)
            return "dense", " ".join(
                [
                    _tensor((inputs, units), op.weight_dec, stream),
                    _tensor((units,), op.bias_dec, op.bias),
                    _array(op.output_shift),
                    _array(op.bias_shift),
                    str(int(op.is_per_unit)),
                ]
            )
        case Pool() as op:
            (kh, kw), (sh, sw) = op.size, op.stride
            if op.dims == 1:
                kh, kw, sh, sw = kw, 0, sw, 0
            same = int(op.padding is Padding.SAME)
            return f"{op.kind.value}pool", f"{op.dims} {kh} {kw} {sh} {sw} {same} {op.output_shift}"
        case GlobalPool() as op:
            return f"global_{op.kind.value}pool", str(op.output_shift)
        case ZeroPadding() as op:
            return "zero_padding", " ".join(map(str, op.border))
        case Cropping() as op:
            return "cropping", " ".join(map(str, op.border))
        case UpSample() as op:
            return "upsample", _pair(*op.factor)
        case Reshape() as op:
            return "reshape", _array(op.shape)
        case Flatten():
            return "flatten", ""
        case QSoftmax() as op:
            return "softmax_base_two" if op.base_two else "softmax", ""
        case Concat() as op:
            return "concat", str(op.axis - len(node.shape))
        case Merge() as op:
            return op.kind.value, str(op.output_shift)
        case QRnn() as op:
            return "rnn", _rnn(op)
        case Copy():
            return "lambda", ""
        case QActivation() as op:
            return "activation", _activation(op)
        case never:
            assert_never(never)


def _rnn(op: QRnn) -> str:
    rows, features = op.weight.shape
    interleave = interleave_dense if op.kind is CellKind.SIMPLE else interleave_q7_q15
    bias_shape = (rows,) if op.bias is None else op.bias.shape
    decs = (op.h_dec, op.z_dec, op.c_dec, op.input_product_dec, op.state_product_dec)
    flags = (op.return_sequence, op.stateful, op.go_backwards, op.time_order)
    return " ".join(
        [
            op.kind.value,
            _tensor((features, rows), (op.weight_dec,), interleave(op.weight)),
            _tensor((op.units, rows), (op.recurrent_dec,), interleave(op.recurrent)),
            _tensor(bias_shape, (op.bias_dec,), op.bias),
            str(op.units),
            *map(str, decs),
            str(int(op.activation is ActivationKind.SIGMOID)),
            *(str(int(flag)) for flag in flags),
        ]
    )
