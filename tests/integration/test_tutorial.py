"""The tutorial works as printed, and every command in the documentation is one that there is."""

from pathlib import Path

import pytest

from tests.support.console_blocks import DOCS, Walk, matches, steps

WRITTEN = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
PAGES = sorted(p for p in WRITTEN if any(not isinstance(s, tuple) for s in steps(p)))


def test_the_tutorial_works_as_printed(tmp_path: Path) -> None:
    assert Walk(tmp_path).take(DOCS / "tutorial.md") > 8


def test_other_pages_work_as_printed(tmp_path: Path) -> None:
    """Those whose commands show what they print."""
    for page in PAGES:
        if page.stem != "tutorial":
            folder = tmp_path / page.stem
            folder.mkdir()
            Walk(folder).take(page)


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("a\nb\n", "a\nb", True),
        ("a   \nb", "a\nb", True),
        ("a\nx\nb", "a\n...\nb", True),
        ("1.52 ms", "1... ms", True),
        ("a\nb", "a", False),
        ("a.b", "axb", False),
    ],
)
def test_what_a_page_shows_is_compared(printed: str, shown: str, same: bool) -> None:
    assert matches(printed, shown) is same
