"""Mutants of what judges: link, verdict, quantiser and console, by mutmut, a random sample.

python -m tests.mutation.python [--sample 200] [--seed 1]: prints the survivors and the score; the
exit status is 1 below the wanted share. mutmut wants the package below src/, so that it works in a
copy of the project.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.native import ROOT

WANTED = 0.85
PACKAGE = "src/nnom_hil"
MUTATED = ("console.py", "link/*.py", "run/verdict.py", "run/judge.py", "model/quantise/*.py")
TESTS = ("console", "client", "stream", "frame", "compact", "protocol_model", "simulated_line",
         "judge", "task", "verdict", "conversions", "quantise", "inputs", "records")  # fmt: skip
COPIED = ("firmware", "boards", "renode", "reports", "docs", "tests", "README.md", "pyproject.toml")
SURVIVED = (0, 5, 33)  # the tests pass, or none runs it


def lay_out(folder: Path) -> None:
    """Copy the project with its package below src, and mutmut's settings."""
    skip = shutil.ignore_patterns("__pycache__", "runs", "robot")
    shutil.copytree(ROOT / "harness", folder / "src", ignore=skip)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=skip)
        else:
            shutil.copy(ROOT / name, folder)
    there = [f"tests/unit/test_{name}.py" for name in TESTS]
    settings = {
        "source_paths": ["src"],
        "only_mutate": [f"{PACKAGE}/{pattern}" for pattern in MUTATED],
        "also_copy": list(COPIED),
        "pytest_add_cli_args": ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        "pytest_add_cli_args_test_selection": [t for t in there if (ROOT / t).exists()],
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    with (folder / "pyproject.toml").open("a") as file:
        file.write("\n".join(["\n[tool.mutmut]", *lines, ""]))


def results(folder: Path) -> dict[str, int | None]:
    """Return the exit status of the tests by mutant; None for one that did not run."""
    found: dict[str, int | None] = {}
    for meta in sorted((folder / "mutants").rglob("*.meta")):
        found |= json.loads(meta.read_text())["exit_code_by_key"]
    return found


def mutmut(folder: Path, *names: str) -> None:
    log = folder / "mutmut.log"
    with log.open("a") as file:
        subprocess.run(
            [Path(sys.executable).with_name("mutmut"), "run", *names],
            cwd=folder, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        lay_out(folder)
        mutmut(folder, "none of that name")  # makes the mutants, and stops
        everything = sorted(results(folder))
        chosen = random.Random(wishes.seed).sample(everything, min(wishes.sample, len(everything)))
        mutmut(folder, *chosen)
        told = {name: code for name, code in results(folder).items() if name in chosen}
        ran = {name: code for name, code in told.items() if code is not None}
        if not ran:
            sys.stdout.write((folder / "mutmut.log").read_text().replace("\r", "\n")[-3000:])
            return 1
        survivors = [name for name, code in ran.items() if code in SURVIVED]
        for name in survivors:
            shown = subprocess.run(
                [Path(sys.executable).with_name("mutmut"), "show", name],
                cwd=folder, capture_output=True, text=True, check=False,
            ).stdout  # fmt: skip
            changed = [line for line in shown.splitlines() if line[:1] in "+-"][2:]
            sys.stdout.write("\n  ".join([f"survived  {name}", *changed]) + "\n")
    score = 1 - len(survivors) / len(ran)
    sys.stdout.write(
        f"{len(ran) - len(survivors)} of {len(ran)} mutants killed: {score:.1%} "
        f"({len(everything)} possible, seed {wishes.seed})\n"
    )
    return 0 if score >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
