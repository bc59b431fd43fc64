"""No memory, or nonsense in every field: an error each time, nothing leaked, nothing undefined."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.support.golden import load_golden
from tests.support.native import ROOT, Runner, build_native
from tests.support.random_graphs import random_graph, random_inputs

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
NO_MEMORY, ARGUMENT_ERROR = -7, -1
FUZZED = 340_000 if NIGHTLY else 30_000  # in each of the three builds


@pytest.mark.parametrize("compat", [False, True], ids=["right", "compat"])
def test_each_allocation_may_fail(compat: bool, tmp_path: Path) -> None:
    """LeakSanitizer looks at the end of each process, AddressSanitizer always."""
    runner = Runner.build(tmp_path, compat=compat)
    models = [(c.graph, c.x[:1]) for c in load_golden() if c.op == "models"]
    models += [(g, random_inputs(g, 1, 1)) for g in (random_graph(s) for s in range(30))]
    assert len(models) >= 50
    for graph, x in models:
        statuses = runner.run_failing(graph, x)
        assert len(statuses) > len(graph.nodes)
        for compiled, ran in statuses:
            if compiled == 0:  # only kernels' scratch can be done without
                assert ran == 0
            else:
                assert compiled in {NO_MEMORY, ARGUMENT_ERROR}
                assert ran == ARGUMENT_ERROR
        survived = sum(compiled == 0 for compiled, _ in statuses)
        assert survived <= 1


@pytest.mark.parametrize("flag", ["", "-DNNOM_COMPAT_043=1", "-DNNOM_USING_CHW"])
def test_random_fields(flag: str, tmp_path: Path) -> None:
    flags = ["-DNNOM_LOG(...)=((void)0)", *([flag] if flag else [])]
    main = ROOT / "tests" / "native" / "fuzz_main.c"
    program = build_native(main, tmp_path / "fuzz", *flags, warnings=False)
    done = subprocess.run([program, str(FUZZED), "7"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
