"""Mutants of the C library: one token changed, and what the tests run must come out different.

python -m tests.mutation.c [--sample 200] [--seed 1]: prints the survivors and the score; the exit
status is 1 below the wanted share. What is run: the recorded set and random graphs in both
behaviours and the programs of tests/native, under sanitizers. The unit tests hold the unchanged
results equal to the reference, so that a difference here is a failure there. What survives that is
put before the unit tests of tables, wide kernels and printed text.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.native import NNOM, ROOT, SANITIZERS, describe, library_sources
from tests.support.random_graphs import random_graph, random_inputs, random_layer
from tests.unit.test_golden import MATCHED

WANTED = 0.85
NATIVE = ROOT / "tests" / "native"
PROGRAMS = ("quirks_main.c", "wide_main.c", "kernels_main.c")
SUITE = [f"tests/unit/test_{name}.py" for name in ("tables", "wide_kernels", "nnom")]
SWAPS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+",
    "*": "+",
    "/": "*", "%": "/", "<<": ">>", ">>": "<<", "&&": "||", "||": "&&", "+=": "-=", "-=": "+=",
    "++": "--", "--": "++", "true": "false", "false": "true", "&": "|", "|": "&",
}  # fmt: skip
# comments, strings, preprocessor lines and whole words are stepped over; the rest is mutated
TOKEN = re.compile(
    r"/\*.*?\*/"
    r"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*|[A-Za-z_]\w*|->"
    r"|0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?[fFuUlL]*|<<=|>>=|<<|>>|[-+*/%<>=!&|]=|\+\+|--|&&"
    r"|\|\||[-+*/%<>&|]",
    re.M | re.S,
)


@dataclass(frozen=True)
class Mutant:
    """One token of one file, and what stands in its place."""

    file: Path
    at: int
    old: str
    new: str

    def source(self) -> str:
        text = self.file.read_text()
        return text[: self.at] + self.new + text[self.at + len(self.old) :]

    def __str__(self) -> str:
        text = self.file.read_text()
        number = text.count("\n", 0, self.at) + 1
        line = text.splitlines()[number - 1].strip()
        return f"{self.file.relative_to(NNOM)}:{number}: {self.old} -> {self.new}   {line}"


def _is_type_or_pointer(text: str, at: int, token: str) -> bool:
    """Whether * or & belongs to a declaration, a cast or an address, not to arithmetic."""
    before = text[:at].rstrip()
    return token in "*&-+" and (
        before[-1:] in "(,=*&{;?:<>+-/!|" or before.endswith(("return", "_t", "const"))
    )


def mutants_of(file: Path) -> Iterator[Mutant]:
    text = file.read_text()
    for match in TOKEN.finditer(text):
        old = match[0]
        if old.isdigit():
            yield Mutant(file, match.start(), old, str(int(old) + 1))
        elif old in SWAPS and not _is_type_or_pointer(text, match.start(), old):
            yield Mutant(file, match.start(), old, SWAPS[old])


class Build:
    """The library in one configuration with programs that use it; a mutant exchanges one object."""

    def __init__(self, folder: Path, flags: list[str], mains: tuple[str, ...], script: str) -> None:
        self._objects = folder
        self._script = script
        self._mains = tuple(Path(main).stem for main in mains)
        self._compiler = ["cc", "-std=c99", "-O1", "-w", *SANITIZERS, *flags]
        self._compiler += [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}", f"-I{NATIVE}", "-c"]
        folder.mkdir()
        sources = [*library_sources(), *(NATIVE / main for main in mains)]
        subprocess.run([*self._compiler, *map(str, sources)], cwd=folder, check=True)
        self._truth = [self._outcome(folder, main) for main in self._mains]
        if any("ERROR: AddressSanitizer" in told for _, told in self._truth):
            raise SystemExit("the unchanged library fails its tests")

    def _outcome(self, objects: Path, main: str) -> tuple[int, str]:
        """Return the exit status of a program and what it printed."""
        library = [str(o) for o in sorted(objects.glob("*.o")) if o.stem not in self._mains]
        program = objects / main
        command = ["cc", *SANITIZERS, str(objects / f"{main}.o"), *library, "-lm"]
        subprocess.run([*command, "-o", str(program)], check=True, capture_output=True)
        done = subprocess.run(
            [program], input=self._script, capture_output=True, text=True, check=False,
            timeout=300, errors="replace",
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def kills(self, mutant: Mutant) -> bool | None:
        """Return whether a mutant is noticed; None if it does not compile."""
        with tempfile.TemporaryDirectory(dir=self._objects.parent) as work:
            objects = Path(work)
            for built in self._objects.glob("*.o"):
                if built.stem != mutant.file.stem:
                    (objects / built.name).hardlink_to(built)
            (objects / mutant.file.name).write_text(mutant.source())
            command = [*self._compiler, f"-I{mutant.file.parent}", mutant.file.name]
            if subprocess.run(command, cwd=work, capture_output=True, check=False).returncode:
                return None
            try:
                return any(
                    self._outcome(objects, main) != truth
                    for main, truth in zip(self._mains, self._truth, strict=True)
                )
            except subprocess.TimeoutExpired:
                return True


def graphs_in(compat: bool) -> str:
    """Return the graphs to run in one behaviour, in graph_runner's language."""
    graphs = [(case.graph, case.x) for case in MATCHED] if compat else []
    for make, count in ((random_layer, 150), (random_graph, 40)):
        for seed in range(count):
            graph = make(seed)
            graphs.append((graph, random_inputs(graph, seed, 2)))
    return "".join(describe(graph, x) for graph, x in graphs)


def builds(folder: Path) -> Iterator[Build]:
    for compat in (False, True):
        flags = [f"-DNNOM_COMPAT_043={int(compat)}", '-DNNOM_PORT_CONFIG="runner_port.h"']
        yield Build(folder / f"runner{int(compat)}", flags, ("graph_runner.c",), graphs_in(compat))
    yield Build(folder / "programs", ["-DNNOM_LOG(...)=((void)0)"], PROGRAMS, "")


def suite_kills(mutant: Mutant) -> bool:
    """Return whether the unit tests that the builds above do not stand for notice a mutant."""
    with tempfile.TemporaryDirectory() as work:
        for name in ("firmware", "tests"):
            shutil.copytree(ROOT / name, Path(work) / name)
        shutil.copy(ROOT / "pyproject.toml", work)
        (Path(work) / mutant.file.relative_to(ROOT)).write_text(mutant.source())
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
        command += ["-k", "not header and not switch", *SUITE]
        return subprocess.run(command, cwd=work, capture_output=True, check=False).returncode != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    wishes = parser.parse_args()
    files = library_sources()
    everything = [mutant for file in files for mutant in mutants_of(file)]
    chosen = random.Random(wishes.seed).sample(everything, min(wishes.sample, len(everything)))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(wishes.jobs) as pool:
        built = list(builds(Path(folder)))

        def kills(mutant: Mutant) -> bool | None:
            noticed: bool | None = None
            for build in built:
                noticed = build.kills(mutant)
                if noticed is not False:
                    return noticed
            return suite_kills(mutant)

        verdicts = dict(zip(chosen, pool.map(kills, chosen), strict=True))
    for mutant, killed in verdicts.items():
        if killed is False:
            sys.stdout.write(f"survived  {mutant}\n")
    counted = [killed for killed in verdicts.values() if killed is not None]
    score = sum(counted) / max(1, len(counted))
    sys.stdout.write(
        f"{sum(counted)} of {len(counted)} mutants killed: {score:.1%} "
        f"({len(everything)} possible, seed {wishes.seed}; "
        f"{len(chosen) - len(counted)} did not compile)\n"
    )
    return 0 if score >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
