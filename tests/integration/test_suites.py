"""What docs/suites.md shows is what runs, and the page of keywords is the library's own."""

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.keywords import PAGE, keywords_page
from tests.support.native import ROOT

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
TEXT = (ROOT / "docs" / "suites.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.S)
    assert found
    return found[1]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # what is installed with us is another matter than what else is
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    env.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def pytest_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "pytest", "-q", "-p", "nnom_hil.pytest_plugin", *words)


def test_the_keywords_page_is_the_librarys_own() -> None:
    """Else: python -m tests.support.keywords."""
    assert PAGE.read_text() == keywords_page()


def test_the_robot_example_runs(tmp_path: Path) -> None:
    suite = block("robotframework")
    steps = [line for line in suite.splitlines() if line.strip()]
    assert len(steps) <= 15
    kept = suite.replace("limit=${60}", "limit=${60}    runs=${OUTPUT DIR}${/}runs")
    (tmp_path / "example.robot").write_text(kept)
    done = run(tmp_path, "robot", "--outputdir", "out", "example.robot")
    assert done.returncode == 0, done.stdout
    log = html.unescape((tmp_path / "out" / "output.xml").read_text())
    links = re.findall(r'report: <a href="([^"]+)">', log)
    assert links
    assert (tmp_path / "out" / links[0]).is_file()


def test_the_pytest_example_runs(tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(block("python"))
    done = pytest_run(
        tmp_path, "--hil-board", "native", "--hil-runs", "kept", "--junit-xml", "junit.xml"
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    (folder,) = (tmp_path / "kept").iterdir()  # the session's is a temporary one
    assert f"pass digits on native: kept/{folder.name}/report.html" in done.stdout
    assert f"{folder.name}/report.html" in (tmp_path / "junit.xml").read_text()


def test_wrong_options_are_errors_of_the_test_that_gives_them(tmp_path: Path) -> None:
    (tmp_path / "test_wrong.py").write_text(
        "import pytest\n"
        "def test_name(hil_run):\n    hil_run(bord='native')\n"
        "@pytest.mark.hil(limit=0)\n"
        "def test_number(hil_run):\n    hil_run()\n"
        "def test_board(hil_run):\n    hil_run()\n"
    )
    done = pytest_run(tmp_path, "--hil-board", "nativ")
    assert done.returncode == 1
    for message in (
        "hil: no option 'bord'; did you mean 'board'?",
        "--limit 0: must be 1 to",
        "no board 'nativ'",
    ):
        assert message in done.stdout, done.stdout


def test_the_plug_in_is_what_installing_gives() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nnnom_hil = "nnom_hil.pytest_plugin"\n' in project


ROUNDING = ("return (1 << shift) >> 1;", "return (1 << shift) >> 2;")


@pytest.fixture(scope="module")
def wrong_rounding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project, but that its kernels round at a quarter."""
    copy = tmp_path_factory.mktemp("wrong") / "project"
    parts = ("boards", "firmware", "harness", "renode", "reports/baselines", "reports/templates")
    for part in (*parts, "robot_tests"):
        shutil.copytree(ROOT / part, copy / part)
    kernel = copy / "firmware" / "nnom" / "src" / "kernels" / "requantise.h"
    right = kernel.read_text()
    assert ROUNDING[0] in right
    kernel.write_text(right.replace(*ROUNDING))
    return copy


@pytest.mark.skipif(not NIGHTLY, reason="needs NNOM_HIL_NIGHTLY: the firmware is built anew")
@pytest.mark.parametrize(
    "suite", ["10_smoke", "20_accuracy", "30_link", "40_faults", "50_performance"]
)
def test_a_wrong_firmware_makes_every_suite_red(suite: str, wrong_rounding: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(wrong_rounding / "harness")}
    done = subprocess.run(
        [sys.executable, "-m", "robot", "--outputdir", "out", f"robot_tests/{suite}"],
        cwd=wrong_rounding, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 < done.returncode <= 250, "so many tests failed"
    assert "outputs differ" in done.stdout


@pytest.mark.parametrize("suite", sorted(p.name for p in (ROOT / "robot_tests").iterdir()))
def test_every_suite_is_named(suite: str) -> None:
    if Path(suite).suffix in {"", ".robot"} and not suite.startswith(("_", ".")):
        assert f"`{suite}`" in TEXT
