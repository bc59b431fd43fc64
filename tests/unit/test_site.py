"""The site over the history: its pages, links and hostile names; test_pages.py looks at them."""

import os
import re
import resource
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tests.support.runs import write_run

from nnom_hil.cli.app import run_app
from nnom_hil.errors import StoreError, UsageError
from nnom_hil.report.site import page_name
from nnom_hil.run.site import write_site
from nnom_hil.text import printable

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
HOSTILE = '../x "<script>alert(1)</script>\n\x1b[31m\u202e&amp;'


class Page(HTMLParser):
    """What of a page can be reached and read."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.scripts = 0
        self.headings: list[dict[str, str | None]] = []
        self.captions = 0
        self.text = ""
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"a", "link"}:
            self.links.append(given.get("href") or given.get("xlink:href") or "")
        self.scripts += tag == "script"
        self.captions += tag == "caption"
        if tag == "th":
            self.headings.append(given)

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def words(page: Page) -> str:
    return " ".join(page.text.split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on boards, one with a name that means harm; some runs have reports."""
    root = tmp_path_factory.mktemp("site with blank")
    runs = root / "r#ns"
    for number in range(30):
        more: dict[str, Any] = {"total_instructions": 700_000 + 50_000 * (number >= 12)}
        folder = write_run(runs, number, **more)
        if number > 25:
            (folder / "report.html").write_text("<p>the report")
    write_run(runs, 40, model=HOSTILE, board=HOSTILE, verdict="fail", reasons=[HOSTILE],
        commit=f"{HOSTILE}+changes", conversion=HOSTILE, tools={"compiler": HOSTILE})  # fmt: skip
    write_run(runs, 41, model=HOSTILE, board=HOSTILE, verdict="fail", reasons=[HOSTILE],
        commit=HOSTILE, conversion=HOSTILE, flash_bytes=99, id=f"x{number}")  # fmt: skip
    count, _ = write_site(runs, root / "site")
    assert count == 3
    return root / "site"


def test_site_tells_what_changed(site: Path) -> None:
    index, page = Page(site / "index.html"), Page(site / "digits--stm32f4.html")
    for shown in (index, page):
        assert "Instructions per inference" in words(shown)
        assert "+7.14 % worse" in words(shown)
        assert "700 000 750 000" in words(shown)
        assert f"{12:040x}"[:8] in words(shown)
        assert "8.29 ms (model ±21.2 %)" in words(shown)
    assert "1 of 2 did not pass" in words(index)
    assert "32 runs of 2 models on boards" in words(index)
    assert "Cycles per inference (model)" in words(page)
    assert page.text.count("change") > 1  # the chart's legend


def test_every_link_leads_somewhere_beside_the_pages(site: Path) -> None:
    reports = set()
    for file in site.iterdir():
        for link in Page(file).links:
            assert not re.match(r"[a-z]+:|//|/", link), link
            there = (file.parent / unquote(urlsplit(link).path)).resolve()
            assert there.is_file(), link
            reports |= {there} if there.name == "report.html" else set()
    assert len(reports) == 4  # of the runs that have one


def test_names_are_text_and_stay_in_the_folder(site: Path) -> None:
    names = sorted(file.name for file in site.iterdir())
    assert len(names) == 3
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)
    for file in site.iterdir():
        page = Page(file)
        assert page.scripts == 1  # the one that sorts
        assert "\x1b" not in file.read_text()
        assert "\u202e" not in file.read_text()
    page = Page(site / page_name(HOSTILE, HOSTILE))
    assert page.text.count("<script>alert(1)</script>") > 3
    assert "&amp;" in page.text


def test_stars_in_names_are_no_pattern(tmp_path: Path) -> None:
    names = ("a*", "ab", "a?", "a[b]", "a\0b", "a\0c")
    for number, model in enumerate(names):
        write_run(tmp_path / "runs", number, model=model)
    assert write_site(tmp_path / "runs", tmp_path / "site")[0] == len(names) + 1
    for model in names:
        text = words(Page(tmp_path / "site" / page_name(model, "stm32f4")))
        assert f"{printable(model)} on stm32f4 pass" in text
        assert "1 run." in text


def test_other_names_have_other_pages() -> None:
    pairs = [("a", "b"), ("a--b", ""), ("", "a--b"), ("a/b", "c"), ("a_b", "c"), ("a\0", "b"),
        ("x" * 300, "b"), ("x" * 301, "b"), (".", "b"), ("index", "")]  # fmt: skip
    names = [page_name(*pair) for pair in pairs]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.startswith(".") or len(name) > 200]


def test_tables_are_told_to_those_who_cannot_see_them(site: Path) -> None:
    for file in site.iterdir():
        page = Page(file)
        assert page.headings
        assert [h for h in page.headings if h.get("scope") not in {"col", "row"}] == []
        assert page.captions == file.read_text().count("<table")


def test_command_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "runs")
    wanted = ["site", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    assert run_app(wanted) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'index.html'}: 2 pages\n"
    before = {file: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert run_app(wanted) == 0
    assert {file: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_no_runs_and_no_place_are_told(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(UsageError, match="no runs yet; start one with: nnom-hil run"):
        write_site(tmp_path / "runs", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write_run(tmp_path / "runs")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="cannot write"):
        write_site(tmp_path / "runs", tmp_path / "out")


@pytest.mark.skipif(not NIGHTLY, reason="NNOM_HIL_NIGHTLY is not set")
def test_ten_thousand_runs_make_a_site(tmp_path: Path) -> None:
    """CPU seconds of the whole command, and memory that does not follow the runs."""
    boards = [f"board{i}" for i in range(10)]
    for number in range(10_000):
        write_run(tmp_path, number % 700, id=f"run-{number:05d}", board=boards[number % 10],
            model=f"model{number // 10 % 4}", commit=f"{number:040x}")  # fmt: skip
    code = "from nnom_hil.cli import main; raise SystemExit(main())"
    argv = [sys.executable, "-c", code, "site", str(tmp_path / "site"), "--runs", str(tmp_path)]
    subprocess.run([*argv[:3], "history", "rebuild", *argv[5:]], check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 150
    assert after.ru_maxrss < 200 << 10
