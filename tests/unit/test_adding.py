"""docs/adding.md is true: its files and names are there, and none that looks at operations is left
out; and every match over operations is one that mypy completes.
"""

import ast
import re
from collections.abc import Iterator
from typing import get_args

from tests.support.native import ROOT

from nnom_hil.model.graph import FloatOp
from nnom_hil.model.qgraph import QOp

TEXT = (ROOT / "docs" / "adding.md").read_text()
OPERATIONS = {t.__name__ for t in (*get_args(FloatOp), *get_args(QOp))}
IS_PATH = re.compile(r"[\w./-]+(/|\.(md|py|c|h|toml|j2))")


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("harness/nnom_hil", "tests/support"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def classes_of(node: ast.AST) -> set[str]:
    """Return the operations whose names a pattern or an argument holds."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & OPERATIONS


def matches(tree: ast.Module) -> Iterator[ast.Match]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Match) and any(classes_of(c.pattern) for c in node.cases):
            yield node


def asks(tree: ast.Module) -> bool:
    """Whether isinstance() tells kinds of operation apart there, not just a single one."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and len(classes_of(node.args[1])) > 1
        for node in ast.walk(tree)
    )


def items() -> Iterator[tuple[list[str], list[str]]]:
    """Yield the paths and the names of each line of a list."""
    for line in re.findall(r"^- (.*)$", TEXT, re.M):
        head = line.split(": ")[0]
        words = re.findall(r"`([^`]+)`", line)
        paths = [w for w in words if w in re.findall(r"`([^`]+)`", head) or IS_PATH.fullmatch(w)]
        yield paths, [w for w in words if w not in paths and re.fullmatch(r"[A-Za-z_.]+", w)]


def test_files_and_names_are_there() -> None:
    listed = list(items())
    assert len(listed) > 50
    for paths, names in listed:
        assert paths
        assert all((ROOT / path).exists() for path in paths), paths
        text = "\n".join((ROOT / path).read_text() for path in paths if (ROOT / path).is_file())
        assert not [name for name in names if name not in text], paths


def test_recipe_of_a_layer_leaves_no_file_out() -> None:
    recipe = TEXT.split("\n## A kernel")[0]
    complete, loose = recipe.split("\nThese ask about particular operations")
    by_match = {path for path, tree in sources() if any(matches(tree))}
    assert by_match
    assert {path for path in by_match if f"`{path}`" not in complete} == set()
    by_question = {path for path, tree in sources() if asks(tree)}
    assert {path for path in by_question if f"`{path}`" not in complete + loose} == set()


def test_mypy_completes_every_match_over_operations() -> None:
    for path, tree in sources():
        for match in matches(tree):
            last = match.cases[-1]
            assert "assert_never" in ast.unparse(last), f"{path}:{match.lineno}"
            assert last.guard is None


def test_every_kind_of_thing_has_its_recipe() -> None:
    kinds = [
        "a layer", "a kernel", "a board", "a chip", "a uart driver", "a command",
        "a field of the record", "a report format", "a method of quantisation",
    ]  # fmt: skip
    assert [h.lower() for h in re.findall(r"^## (.*)$", TEXT, re.M)] == kinds
