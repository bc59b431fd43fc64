"""The house rules: which way imports point, what is public, what starts without Keras."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nnom_hil
from nnom_hil.target.base import Target

PACKAGE = Path(nnom_hil.__file__).parent

# What each room may import, besides itself and what its own imports may (docs/architecture.md).
LEAVES = {"errors", "deadline", "files", "paths", "records", "tool", "console", "variables",
    "record_files", "locks", "interrupt", "temporary", "cache", "archives", "text", "times",
    "profiles", "toml", "gates", "matrix", "tuning", "explanations",
    "mlperf_record",
    "extras", "lazy", "version"}  # fmt: skip
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "mlperf_record": set(),
    "deadline": set(),
    "version": set(),
    "lazy": set(),
    "extras": {"errors"},
    "text": set(),
    "toml": {"text"},
    "files": {"errors", "toml"},
    "variables": set(),
    "interrupt": set(),
    "paths": {"errors", "variables"},
    "locks": set(),
    "temporary": {"errors", "files"},
    "cache": {"errors", "files", "locks", "paths", "temporary", "variables"},
    "tool": {"errors", "deadline"},
    "times": {"errors"},
    "records": {"errors", "files", "times"},
    "matrix": {"errors", "files", "gates", "records", "times"},
    "tuning": {"matrix", "times"},
    "gates": {"errors", "files", "records", "times", "tool"},
    "record_files": {"errors", "files", "records"},
    "console": {"text"},
    "archives": set(),
    "profiles": {"text"},
    "explanations": set(),
    "train": {"errors", "model"},
    "model": {"lazy", "errors", "extras", "deadline", "files", "archives", "temporary", "tool"},
    "zoo": {"errors", "extras", "archives"},
    "boards": {"lazy", "errors", "extras", "paths", "toml"},
    "codegen": {"errors", "text", "model", "boards"},
    "diagnosis": {"codegen", "explanations", "model"},
    "build": {
        "lazy",
        "locks",
        "errors",
        "deadline",
        "files",
        "paths",
        "records",
        "tool",
        "cache",
        "boards",
        "codegen",
    },
    "link": {"errors", "deadline"},
    "mlperf": {"errors", "deadline", "link", "model", "codegen"},
    "probe": {"lazy", "variables", "errors", "extras", "files", "locks", "paths", "text", "boards"},
    "target": {
        "lazy",
        "errors",
        "extras",
        "deadline",
        "files",
        "locks",
        "paths",
        "temporary",
        "times",
        "tool",
        "variables",
        "boards",
        "codegen",
        "link",
        "probe",
    },
    "profiler": {
        "lazy",
        "link",
        "errors",
        "deadline",
        "files",
        "paths",
        "tool",
        "cache",
        "temporary",
        "boards",
        "target",
    },
    "virtual": {"errors", "extras", "deadline", "files", "variables", "boards", "link", "target"},
    "history": {
        "errors",
        "extras",
        "files",
        "gates",
        "locks",
        "paths",
        "records",
        "record_files",
        "text",
        "times",
    },
    "scaffold": set(),
    "run": LEAVES
    | {
        "scaffold",
        "history",
        "model",
        "zoo",
        "boards",
        "codegen",
        "diagnosis",
        "build",
        "link",
        "probe",
        "target",
        "report",
        "profiler",
        "mlperf",
        "train",
    },
    "report": {
        "mlperf_record",
        "errors",
        "explanations",
        "gates",
        "history",
        "matrix",
        "paths",
        "profiles",
        "records",
        "text",
        "times",
        "tuning",
    },
    "assertions": {"errors", "gates", "paths", "records", "report", "times"},
    "compat": {"errors", "extras", "files", "model", "codegen"},
    "farm": LEAVES | {"boards", "probe", "run", "target"},
    "cli": LEAVES | {"farm", "history", "boards", "codegen", "link", "run", "report", "target"},
    "robot": LEAVES | {"assertions", "boards", "link", "report", "run"},
    "pytest_plugin": LEAVES | {"model", "run"},
    "__init__": LEAVES | {"boards", "run"},
}
HEAVY = {"dask", "distributed",
    "keras", "tf_keras", "tensorflow", "ai_edge_litert", "sklearn", "scipy", "h5py",
    "onnx", "onnxruntime", "tflite", "flatbuffers"}  # fmt: skip
HEAVY_IMPORTERS = {"farm/crew.py", "farm/dask.py", "farm/worker.py",
    "model/keras_import/load.py", "model/keras_import/translate.py",
    "model/keras_import/tflite.py", "model/keras_import/limits.py", "model/keras_import/checked.py",
    "model/keras_import/saved_model.py",
    "model/keras_export.py",
    "train/balance.py", "train/cells.py", "train/distil.py", "train/rounding.py",
    "train/simulate.py",
    "model/onnx_import/constants.py", "model/onnx_import/load.py", "model/onnx_import/node.py",
    "model/onnx_import/operators.py", "model/onnx_import/runtime.py",
    "model/tflite_import/load.py", "model/tflite_import/node.py", "model/tflite_import/runtime.py",
    "zoo/shapes.py", "zoo/train.py",
    "compat/__init__.py", "compat/scripts.py"}  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            if node.module == "nnom_hil":  # a room by its name; anything else is the door's
                names.remove("nnom_hil")
                names |= {f"nnom_hil.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    own = room(path)
    for name in imported(path):
        if not name.startswith("nnom_hil"):
            continue
        assert name != "nnom_hil", f"{path.name} imports the door"
        other = name.split(".")[1]
        assert other == own or other in ALLOWED[own], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_heavy_libraries_have_their_importers(path: Path) -> None:
    heavy = {name.split(".")[0] for name in imported(path)} & HEAVY
    if path.relative_to(PACKAGE).as_posix() not in HEAVY_IMPORTERS:
        assert not heavy
    if path.relative_to(PACKAGE).as_posix() == "model/keras_import/load.py":
        assert heavy == {"keras", "h5py"}


def branches(function: ast.AST) -> int:
    """McCabe's measure, each case of a match a branch but the one that takes what is left."""
    count = 1
    for node in ast.walk(function):
        match node:
            case ast.BoolOp():
                count += len(node.values) - 1
            case ast.match_case():
                rest = isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None
                count += 0 if rest and node.guard is None else 1
            case ast.If() | ast.IfExp() | ast.For() | ast.While() | ast.ExceptHandler():
                count += 1
            case ast.comprehension() | ast.Assert() | ast.With():
                count += 1
    return count


def test_functions_are_short_and_simple() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {node.name}": (
            (node.end_lineno or 0) - node.lineno + 1,
            branches(node),
        )
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(found) > 2000
    assert {name: it for name, it in found.items() if it[0] > 60 or it[1] > 20} == {}


def test_a_target_is_five_things() -> None:
    """What only some can do is a protocol of its own."""
    members = {name for name in vars(Target) if not name.startswith("_")}
    assert members == {"facts", "start", "why_dead", "reset", "stop"}


def test_public_names_are_pinned() -> None:
    assert nnom_hil.__all__ == [
        "Board",
        "HilError",
        "Observer",
        "Prepared",
        "RunFolder",
        "RunRecord",
        "RunRequest",
        "Verdict",
        "find_board",
        "load_record",
        "open_run",
        "prepare",
    ]
    for name in nnom_hil.__all__:
        assert getattr(nnom_hil, name) is not None


LIBRARIES = HEAVY | {"numpy", "pydantic", "jinja2", "serial", "rich", "elftools", "pyocd", "pygal",
    "robot", "usb", "cobs", "unicorn", "distributed"}  # fmt: skip
# What each command may load of them. typer needs pydantic for options that are no flags.
STARTS = {
    "--help": set(),
    "--version": set(),
    "boards": {"pydantic"},
    "doctor": set(),
    "run --help": set(),
    "boards --help": {"pydantic"},
    "bench kernels --help": set(),
    "history": {"pydantic", "rich"},
    "report": {"pydantic", "rich", "jinja2", "cobs", "serial"},
}  # fmt: skip


@pytest.mark.parametrize("words", STARTS)
def test_commands_start_without_what_they_do_not_need(words: str, tmp_path: Path) -> None:
    code = (
        "import sys; from nnom_hil.cli.app import run_app; run_app(sys.argv[1:]);"
        "print(*sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()],
        capture_output=True, text=True, check=True, cwd=tmp_path, env=env,
    )  # fmt: skip
    loaded = set(done.stderr.splitlines()[-1].split())
    assert loaded & LIBRARIES <= STARTS[words]


def test_no_board_or_model_name_is_in_the_code() -> None:
    names = {p.stem for p in (PACKAGE.parents[1] / "boards").glob("*.toml")}
    machines = {"netduinoplus2", "mps2-an386"}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                values = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant)}
                assert not values & (names | machines), f"{path}:{node.lineno}"


def test_every_message_in_the_book_of_trouble_has_its_test() -> None:
    root = PACKAGE.parents[1]
    book = (root / "docs" / "trouble.md").read_text()
    tests = "\n".join(path.read_text() for path in (root / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", book))
    assert len(named) > 15
    assert [name for name in named if f"def {name}(" not in tests] == []
    cases = re.findall(r"`(\w+\.robot)`: ([\w ]+?) \|", book)
    assert len(cases) > 4
    for file, case in cases:
        suite = (root / "robot_tests" / "40_faults" / file).read_text()
        assert f"\n{case}\n" in suite, f"{file} has no case {case!r}"
