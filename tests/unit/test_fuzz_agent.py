"""The frame codec and the agent in C, under sanitizers, fed with millions of inputs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.agent import build_agent
from tests.support.random_graphs import random_graph

from nnom_hil.tool import find_tool

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
SOURCE = Path(__file__).parents[1] / "native" / "fuzz_agent.c"


def build(folder: Path, compiler: list[str]) -> Path:
    """Compile the agent with a small model, every allocation and index watched."""
    graph = min((random_graph(seed) for seed in range(40)), key=lambda g: g.macs)
    flags = ["-O1", "-fno-sanitize-recover=all", "-D__builtin_trap()=fuzz_trap()"]
    trap = folder / "fuzz.h"
    trap.write_text("#include <setjmp.h>\n_Noreturn void fuzz_trap(void);\n")
    return build_agent(folder, graph, [*compiler, *flags, "-include", str(trap)], SOURCE)


def test_no_input_makes_the_agent_stumble(tmp_path: Path) -> None:
    fuzzer = build(tmp_path, [str(find_tool("cc")), "-fsanitize=address,undefined"])
    count = 10_000_000 if NIGHTLY else 100_000
    done = subprocess.run(
        [fuzzer, str(count), "12345"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    sent, answered = re.findall(r"(\d+) frames", done.stderr)
    assert int(answered) > int(sent) // 4


def has_runtime(clang: str, sanitizers: str, folder: Path) -> bool:
    """Debian packs the compiler and its libraries apart."""
    source = folder / "nothing.c"
    source.write_text("int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }")
    command = [clang, sanitizers, str(source), "-o", str(folder / "nothing")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not NIGHTLY, reason="needs NNOM_HIL_NIGHTLY: another compiler, more minutes")
def test_libfuzzer_finds_nothing_either(tmp_path: Path) -> None:
    """Guided by coverage: libFuzzer looks for inputs that lead where none has led."""
    sanitizers = "-fsanitize=fuzzer,address,undefined"
    clang = shutil.which("clang")
    if clang is None or not has_runtime(clang, sanitizers, tmp_path):
        pytest.skip("clang with libFuzzer's library is not installed; make nightly installs it")
    fuzzer = build(tmp_path, [clang, sanitizers, "-DLIBFUZZER"])
    (tmp_path / "corpus").mkdir()
    done = subprocess.run(
        [
            fuzzer,
            "-runs=10000000",
            "-seed=1",
            "-max_len=1500",
            "-timeout=600",
            tmp_path / "corpus",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 10000000 runs" in done.stderr
    assert len(list((tmp_path / "corpus").iterdir())) > 20, "it got nowhere"
