"""Runs what a page of the documentation shows: its commands, and files that it has one save."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[2] / "docs"
_BLOCK: Final = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE: Final = re.compile(r'title="([\w./-]+)"')
_SECONDS: Final = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A command of a page, and what the page says that it prints."""

    command: str
    printed: str


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield language, what follows it, and text of each block."""
    yield from _BLOCK.findall(page.read_text(encoding="utf-8"))


def steps(page: Path) -> Iterator[Shown | tuple[str, str]]:
    """Yield a page's files to save (name, text) and its commands, in order."""
    for language, rest, text in blocks(page):
        if title := _TITLE.search(rest):
            yield title[1], text
        elif language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, printed = part.partition("\n")
                yield Shown(command=command, printed=printed)


def matches(printed: str, shown: str) -> bool:
    """Whether a text is what a page shows: `...` is any text, blanks at ends of lines are none, and
    narrow ones are blanks.
    """
    both = (text.strip().splitlines() for text in (printed, shown))
    real, told = ("\n".join(map(str.rstrip, lines)) for lines in both)
    real, told = (re.sub("[\u00a0\u202f]", " ", text) for text in (real, told))
    pattern = ".*?".join(re.escape(piece) for piece in told.split("..."))
    return re.fullmatch(pattern, real, re.DOTALL) is not None


class Walk:
    """Types a page's commands in a folder, as its reader would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        bin_folder = str(Path(sys.executable).parent)
        self._env = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "80",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def take(self, page: Path) -> int:
        """Take all steps; raises AssertionError where one fails or prints something else."""
        count = 0
        for step in steps(page):
            if isinstance(step, tuple):
                (self._folder / step[0]).write_text(step[1], encoding="utf-8")
                continue
            count += 1
            if step.command.startswith("cd "):
                self._folder = (self._folder / step.command.removeprefix("cd ")).resolve()
                continue
            self._type(step)
        return count

    def _type(self, step: Shown) -> None:
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"$ {step.command}\n{done.stdout}{done.stderr}"
        told = f"$ {step.command}\n{done.stdout}\n--- the page shows:\n{step.printed}"
        assert matches(done.stdout, step.printed), told
