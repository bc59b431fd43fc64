"""How much of the C library the native tests reach, by gcov over all of its configurations."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tests.support.golden import load_golden
from tests.support.native import NNOM, OBJECTS, ROOT, describe, library_sources
from tests.support.random_graphs import random_graph, random_inputs, random_layer, with_zero_padding

from nnom_hil.codegen.layouts import channel_first

pytestmark = pytest.mark.skipif(
    not os.environ.get("NNOM_HIL_NIGHTLY"),
    reason="needs NNOM_HIL_NIGHTLY: the library is compiled a dozen times",
)

NATIVE = ROOT / "tests" / "native"
BAR = 0.95
RUNNER_PORT = '-DNNOM_PORT_CONFIG="runner_port.h"'
Lines = dict[str, dict[int, bool]]


def covered(folder: Path, main: str, *flags: str, script: str = "", arguments: str = "") -> Lines:
    """Return, by source file and line, whether one native program reaches it."""
    folder.mkdir()
    files = [str(p) for p in library_sources()]
    command = ["cc", "-std=c99", "-g", "-O0", "--coverage", *flags, f"-I{NATIVE}"]
    command += [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}", str(NATIVE / main), *files]
    subprocess.run([*command, "-lm", "-o", "program"], cwd=folder, check=True)
    done = subprocess.run(
        ["./program", *arguments.split()], cwd=folder, input=script, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return lines_of(folder)


def covered_by_calls(folder: Path) -> Lines:
    """Return the same for tests that call the library's functions one by one."""
    tests = [ROOT / "tests" / "unit" / f"test_{name}.py" for name in ("kernels", "wide_kernels")]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    objects = folder / "objects"
    objects.mkdir(parents=True)
    done = subprocess.run(
        [*command, f"--basetemp={folder / 'pytest'}", *tests],
        env=os.environ | {"CFLAGS": "--coverage", OBJECTS: str(objects)}, cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    return lines_of(folder)


def lines_of(folder: Path) -> Lines:
    """Return what the programs of a folder have left there."""
    report = subprocess.run(
        ["gcov", "--json-format", "--stdout", *sorted(folder.rglob("*.gcda"))],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines: Lines = defaultdict(dict)
    for document in report.stdout.splitlines():
        for file in json.loads(document)["files"]:
            path = Path(file["file"])
            if NNOM / "src" in path.parents:
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[path.name][number] = lines[path.name].get(number, False) or (
                        line["count"] > 0
                    )
    return lines


def test_native_tests_reach_the_library(tmp_path: Path) -> None:
    golden = "".join(describe(c.graph, c.x[:1]) for c in load_golden())
    graphs = [make(seed) for seed in range(150) for make in (random_graph, random_layer)]
    random = "".join(describe(g, random_inputs(g, 1, 1)) for g in graphs)
    failing = "".join(f"fail {k}\n{describe(graphs[0], random_inputs(graphs[0], 1, 1))}"
                      for k in range(30))  # fmt: skip
    padded = [with_zero_padding(g) for g in graphs]  # such builds have no other padding
    first_script = "".join(describe(channel_first(g), random_inputs(g, 1, 1)) for g in padded)
    first, compat = "-DNNOM_USING_CHW", "-DNNOM_COMPAT_043=1"
    quiet = "-DNNOM_LOG(...)=((void)0)"
    programs = [
        covered_by_calls(tmp_path / "calls"),
        covered(tmp_path / "r", "graph_runner.c", RUNNER_PORT, script=golden + random + failing),
        covered(
            tmp_path / "c",
            "graph_runner.c",
            RUNNER_PORT,
            "-DNNOM_COMPAT_043=1",
            script=golden + random,
        ),
        covered(tmp_path / "f", "graph_runner.c", RUNNER_PORT, first, script=first_script),
        covered(tmp_path / "g", "graph_runner.c", RUNNER_PORT, first, compat, script=first_script),
        covered(tmp_path / "v", "wide_main.c", first),
        covered(tmp_path / "a", "appendix_main.c", '-DHEADER="appendix_a.h"'),
        covered(tmp_path / "b", "appendix_main.c", '-DHEADER="appendix_b.h"'),
        covered(tmp_path / "q", "quirks_main.c"),
        covered(tmp_path / "w", "wide_main.c"),
        covered(tmp_path / "z", "fuzz_main.c", quiet, arguments="3000 1"),
        *(covered(tmp_path / f"k{i}", "kernels_main.c", f"-DNNOM_COMPAT_043={i}") for i in (0, 1)),
    ]
    lines: Lines = defaultdict(dict)
    for program in programs:
        for file, found in program.items():
            for number, reached in found.items():
                lines[file][number] = lines[file].get(number, False) or reached
    shares = {f: sum(n.values()) / len(n) for f, n in lines.items()}
    total = sum(sum(n.values()) for n in lines.values()) / sum(len(n) for n in lines.values())
    missed = {f: [i for i, hit in sorted(n.items()) if not hit] for f, n in lines.items()}
    worst = sorted(shares, key=shares.__getitem__)[:8]
    assert total >= BAR, {"total": total} | {f: (round(shares[f], 3), missed[f]) for f in worst}
