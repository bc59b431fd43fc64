"""Every parser takes time in proportion to what it is given, whatever that is.

Python's part is counted in lines executed at two sizes; regular expressions, whose work no counter
sees, are examined as they are written.
"""

import ast
import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import nnom_hil
from nnom_hil.errors import HilError
from nnom_hil.link.frame import Frame, Splitter, encode_frame
from nnom_hil.link.messages import VectorResult
from nnom_hil.model.keras_import.limits import read_json
from nnom_hil.model.keras_import.vocabulary import strangers
from nnom_hil.run.journal import Identity
from nnom_hil.run.monitor import judge_console
from nnom_hil.run.store import RunFolder
from nnom_hil.toml import parse_toml

sre: Any = importlib.import_module("re._constants")
sre_parse: Any = importlib.import_module("re._parser")

PACKAGE = Path(nnom_hil.__file__).parent
SMALL, LARGE = 16 << 10, 64 << 10
NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))


def lines_executed(work: Callable[[], object]) -> int:
    """Return the lines of Python that a call executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        del frame, argument
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except (HilError, ValueError):
        pass
    finally:
        sys.settrace(before)
    return count


def console(unit: str) -> Callable[[int], Callable[[], object]]:
    head = "Start compiling model...\nPrint running stat..\nConfusion matrix:\n"
    return lambda size: lambda: judge_console(head + unit * (size // len(unit)))


def toml(unit: str, begin: str = "", end: str = "") -> Callable[[int], Callable[[], object]]:
    def make(size: int) -> Callable[[], object]:
        body = "".join(unit.format(i) for i in range(size // len(unit)))
        return lambda: parse_toml((begin + body + end).encode())

    return make


def feed(unit: bytes, chunk: int) -> Callable[[int], Callable[[], object]]:
    """Frames as they come from a port, so many bytes at a time."""

    def make(size: int) -> Callable[[], object]:
        data = unit * (size // len(unit))

        def work() -> None:
            splitter = Splitter()
            for i in range(0, len(data), chunk):
                for _ in splitter.feed(data[i : i + chunk]):
                    pass
            list(splitter.flush())

        return work

    return make


def configuration(unit: Any) -> Callable[[int], Callable[[], object]]:
    def make(size: int) -> Callable[[], object]:
        text = json.dumps({"class_name": "Model", "config": [unit] * (size // 64)})
        return lambda: list(strangers(read_json(text, Path("m"))))

    return make


WORK: dict[str, Callable[[int], Callable[[], object]]] = {
    "console of blank lines": console("\n"),
    "console of spaces": console(" "),
    "console of one digit": console("9"),
    "console of numbers": console("#1 9 "),
    "console of layers": console("#1   Input      -       - (  8,  8,  1,)   (  64,  64,   0)\n"),
    "console of names": console("#1 A - B - ("),
    "console of rows": console("   0 |      6     1     0   |  85%\n"),
    "console of errors": console("Error: x\n"),
    "console of escapes": console("\x1b["),
    "console of starts": console("Print running stat..\n"),
    "TOML of keys": toml("k{} = 1\n"),
    "TOML of tables": toml("[t{}]\n"),
    "TOML of dotted keys": toml("k{}.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o = 1\n"),
    "TOML of arrays": toml("[[a]]\n"),
    "TOML of text": toml("\\n{}\n", 'a = """', '"""'),
    "TOML of inline tables": toml("{{b = {}}},\n", "a = [\n", "]\n"),
    "frames": feed(encode_frame(Frame(1, 2, 3, b"hello")), 64),
    "frames of zeros": feed(b"\0", 64),
    "frames without an end": feed(b"x", 64),
    "frames in single bytes": feed(b"x", 1),
    "configuration of lists": configuration([]),
    "configuration of strangers": configuration({"class_name": "X", "config": {}}),
}  # fmt: skip


@pytest.mark.parametrize("case", WORK)
def test_four_times_the_text_is_four_times_the_work(case: str) -> None:
    small, large = (lines_executed(WORK[case](size)) for size in (SMALL, LARGE))
    assert large <= 5 * small + 500


def test_journal_is_read_in_proportion(tmp_path: Path) -> None:
    counts = []
    for lines in (200, 800):
        folder = RunFolder(tmp_path / str(lines), "x")
        folder.identify(Identity(model="m", vectors="v", image="i"))
        for i in range(lines):
            folder.journal(VectorResult(index=i, status=0, ticks=1, output=bytes(10)))
        folder.close()

        def work(path: Path = folder.path) -> None:
            RunFolder.resume(path).close()

        counts.append(lines_executed(work))
    assert counts[0] > 200  # each line was read
    assert counts[1] <= 5 * counts[0] + 500


# ---- regular expressions -------------------------------------------------------------------------


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "re." in p.read_text())


def patterns(path: Path) -> Iterator[tuple[int, str | bytes]]:
    """Yield every pattern in a module's calls of re, as Python sees it."""
    tree = ast.parse(path.read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    name = ".".join(("nnom_hil", *path.relative_to(PACKAGE).with_suffix("").parts))
    for call in calls:
        if not _matches(call.func) or ast.unparse(call.args[0]) == "pattern":
            continue  # a function that is given its pattern is a call of its own
        code = compile(ast.Expression(call.args[0]), str(path), "eval")
        yield call.lineno, eval(code, vars(importlib.import_module(name)))


def _matches(function: ast.expr) -> bool:
    """Tell whether a function takes a pattern first."""
    if isinstance(function, ast.Name):
        return function.id == "_number"
    if not isinstance(function, ast.Attribute) or ast.unparse(function.value) != "re":
        return False
    return function.attr not in {"escape", "Pattern", "Match"}


REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT}
ONE_LETTER = ([sre.LITERAL], [sre.NOT_LITERAL], [sre.IN], [sre.ANY])


def superlinear(pattern: str | bytes) -> str:
    """Return why matching may take more than a number of steps for each character; "" if not.

    A repetition without a limit must be possessive, or nothing may follow it that could fail.
    """
    tokens = list(sre_parse.parse(pattern))
    first = tokens[0] if tokens else None
    endless = first and first[0] in {*REPEATS, sre.POSSESSIVE_REPEAT} and first[1][1] > 1000
    if endless and len(tokens) > 1:
        return "it begins with a repetition without a limit: each place is tried to its end"
    return _backtracks(tokens, last=True)


def _backtracks(tokens: list[Any], *, last: bool) -> str:
    for i, (op, value) in enumerate(tokens):
        ends = last and i == len(tokens) - 1
        if op in REPEATS:
            least, most, inner = value
            if most == sre.MAXREPEAT and (op is sre.MIN_REPEAT or not ends):
                return f"what follows {op} {inner} may fail after each of its lengths"
            if most == sre.MAXREPEAT and len(inner) > 1:
                return f"{inner} is repeated, and may begin in more than one way"
            del least
        if op is sre.POSSESSIVE_REPEAT and [o for o, _ in value[2]] not in ONE_LETTER:
            return "a group is repeated possessively, which Python before 3.11.5 does wrong"
        for part in parts_of(op, value):
            if reason := _backtracks(list(part), last=ends and op not in REPEATS):
                return reason
    return ""


def parts_of(op: Any, value: Any) -> list[Any]:
    if op in REPEATS or op is sre.POSSESSIVE_REPEAT:
        return [value[2]]
    if op is sre.SUBPATTERN:
        return [value[3]]
    if op is sre.BRANCH:
        return list(value[1])
    if op is sre.ATOMIC_GROUP:
        return [value]
    return []


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_no_pattern_tries_again(path: Path) -> None:
    found = [(line, p, why) for line, p in patterns(path) if (why := superlinear(p))]
    assert found == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\s*\d+ \|",
        r"a.*?b",
        r"(?:a+)+b",
        r"x\s+\d",
        r"(?:\s+\d+)+\s+\|",
        r"\w+@",
        r"x(\d++)?+y",
        r"(?:\s++\d)++x",
    ],
)
def test_patterns_that_try_again_are_found(pattern: str) -> None:
    assert superlinear(pattern)


@pytest.mark.parametrize("pattern", [r"x\s++\d", r"[^a-z]+", r"x\d{1,15}+y", r"x.*+", r"x\w+"])
def test_other_patterns_are_not(pattern: str) -> None:
    assert re.compile(pattern)
    assert superlinear(pattern) == ""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("unit", ["\n", " ", "9", "#1 A - B - (", "Error: x\n", "\x1b[", "(1,"])
def test_console_of_any_size_is_read(unit: str) -> None:
    """64 MiB at night: what grew with the square would take days."""
    size = 64 << 20 if NIGHTLY else 2 << 20
    text = "Start compiling model...\nPrint running stat..\nTest frames: " + unit * (
        size // len(unit)
    )
    assert judge_console(text) == ()
