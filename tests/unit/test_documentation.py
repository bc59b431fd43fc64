"""The documentation is true: its commands are ones that there are, what is made is up to date."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.support.command_line import PAGE, command_line_page
from tests.support.console_blocks import DOCS, blocks

from nnom_hil.cli.app import _application

ROOT = DOCS.parent
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md", *ROOT.glob("harness/**/scaffold/files/*")])
_PLACEHOLDER = re.compile(r"^[A-Z][A-Z_]*$|[<>|…]|\.\.\.")


def commands_of(page: Path) -> Iterator[str]:
    """The lines of a page's blocks that are ours, as a shell would see them."""
    text = page.read_text(encoding="utf-8")
    shown = (
        [body for language, _, body in blocks(page) if language in {"sh", "console"}]
        if page.suffix == ".md"
        else re.findall(r"run: (.*)", text)
    )
    for body in shown:
        for line in body.replace("\\\n", " ").splitlines():
            found = re.match(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(nnom-hil .*)", line)
            if found:
                yield found[1]


COMMANDS = [(page, command) for page in PAGES for command in commands_of(page)]


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 50


@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=[f"{p.name}:{c[:60]}" for p, c in COMMANDS]
)
def test_commands_in_the_documentation_can_be_given(page: Path, command: str) -> None:
    """Its words are parsed as those of a user; nothing is run."""
    words = shlex.split(command, comments=True)[1:]
    for sign in ("|", ">", "2>", "&&", ";", "&"):
        if sign in words:
            words = words[: words.index(sign)]
    if any(_PLACEHOLDER.search(word) for word in words) or not words or words[0].startswith("-"):
        return  # in a table's words, not to be typed
    root = typer.main.get_command(_application(words[0]))
    assert isinstance(root, typer.core.TyperGroup)
    assert words[0] in root.commands, command
    part = root.commands[words[0]]
    rest = words[1:]
    while rest and isinstance(part, typer.core.TyperGroup) and rest[0] in part.commands:
        part, rest = part.commands[rest[0]], rest[1:]
    part.make_context(words[0], rest)


def test_the_page_of_commands_is_made_of_the_commands() -> None:
    assert PAGE.read_text(encoding="utf-8") == command_line_page(), (
        "run: python -m tests.support.command_line"
    )


def test_the_site_builds_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    """Strictly: pages that are missing from it, links and anchors that lead nowhere are errors."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tutorial.html").is_file()
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.replace("https://squidfunk", ""))
