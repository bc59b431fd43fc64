"""Environment variables are in one place of the code and in one of the docs."""

import re
from pathlib import Path

from nnom_hil.cli.settings import variable_of
from nnom_hil.run.options import all_options
from nnom_hil.variables import VARIABLES

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\bNNOM_HIL_[A-Z][A-Z_]*\b")
FOLDERS = ("harness", "firmware", "tests", "robot_tests", "renode", "reports", "docs")


def test_docs_have_the_table_of_the_code() -> None:
    text = (ROOT / "docs" / "environment.md").read_text()
    rows = dict(re.findall(r"^\| `(NNOM_HIL_\w+)` \| (.*?) \|", text, re.M))
    assert rows == VARIABLES


def test_every_variable_is_in_the_table() -> None:
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    files += [ROOT / "Makefile", ROOT / "README.md"]
    kinds = {".py", ".c", ".h", ".md", ".robot", ".toml", ".resc", ".j2", ".cmake", ""}
    found: dict[str, Path] = {}
    for path in files:
        if path.is_file() and path.suffix in kinds and path.name != Path(__file__).name:
            for name in NAME.findall(path.read_text(errors="replace")):
                found.setdefault(name, path)
    options = {variable_of(name) for name in all_options()}
    known = {*VARIABLES, *options, "NNOM_HIL_COMPLETE"}  # the last one is typer's
    assert {name: path for name, path in found.items() if name not in known} == {}
    assert set(VARIABLES) <= set(found)


def test_code_takes_names_from_the_table() -> None:
    """Beside messages, which name a variable to set."""
    for path in sorted((ROOT / "harness").rglob("*.py")):
        text = path.read_text()
        if path.name != "variables.py":
            assert not re.search(r"environ[^\n]*\"NNOM_HIL_|getenv\(\"NNOM_HIL_", text), path
