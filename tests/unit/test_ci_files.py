"""What CI servers read: valid by their schemas, and their scripts run as they stand."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.support.native import ROOT

ACTION = ROOT / ".github/actions/nnom-hil/action.yml"
GITLAB = ROOT / ".gitlab/nnom-hil.gitlab-ci.yml"
FILES = {
    "github-workflows": sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    "github-actions": [ACTION],
    "gitlab-ci": [GITLAB],
}
FAKE = """#!{python}
import json, os, sys
with open(os.environ["LOG"], "a") as log:
    print(json.dumps(sys.argv[1:]), file=log)
sys.exit(int(os.environ.get("FAIL_" + sys.argv[1].upper(), "0")))
"""


@pytest.mark.parametrize("schema", FILES)
def test_files_keep_their_schema(schema: str) -> None:
    assert FILES[schema]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}",
         *FILES[schema]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def loaded(file: Path) -> Any:
    return YAML(typ="safe").load(file)


def script(server: str) -> str:
    if server == "github":
        return str(
            next(s["run"] for s in loaded(ACTION)["runs"]["steps"] if s.get("name") == "Run")
        )
    return str(loaded(GITLAB)[".nnom-hil"]["script"][0])


def run(server: str, folder: Path, **given: str) -> tuple[int, list[list[str]]]:
    """Run a server's script with a program that notes what it is asked; return code and that."""
    (folder / "nnom-hil").write_text(FAKE.format(python=sys.executable))
    (folder / "nnom-hil").chmod(0o755)
    names = ("MODEL", "DATA", "BOARD", "ARGUMENTS", "BASELINE", "GATES")
    env = {
        "PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(folder / "log"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"), **dict.fromkeys(names, ""), **given,
    }  # fmt: skip
    # as the servers do: bash -e
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script(server)], cwd=folder, env=env, check=False
    )
    log = (folder / "log").read_text().splitlines()
    return done.returncode, [json.loads(line) for line in log]


@pytest.mark.parametrize("server", ["github", "gitlab"])
def test_the_model_is_run_and_reported(server: str, tmp_path: Path) -> None:
    code, asked = run(
        server, tmp_path, MODEL="a b.keras", BOARD="stm32f4", ARGUMENTS="--limit 20 --compat"
    )
    assert code == 0
    assert asked[0] == ["run", "--board", "stm32f4", "--model", "a b.keras", "--limit", "20",
                        "--compat"]  # fmt: skip
    assert ["report", "--output", "reports/ci/report.html"] in asked
    assert ["report", "--format", "junit", "--output", "reports/ci/run.xml"] in asked
    assert all(words[0] != "compare" for words in asked)


@pytest.mark.parametrize("server", ["github", "gitlab"])
@pytest.mark.parametrize("fails", ["run", "compare"])
def test_a_failure_is_reported_and_fails_the_job(server: str, fails: str, tmp_path: Path) -> None:
    given = {"BASELINE": "b.json", "GATES": "g.toml", f"FAIL_{fails.upper()}": "1"}
    code, asked = run(server, tmp_path, MODEL="m", DATA="d.npz", BOARD="b", **given)
    assert code == 1
    assert asked[0][-2:] == ["--data", "d.npz"]
    gates = next(words for words in asked if words[0] == "compare")
    assert gates[1:5] == ["--baseline", "b.json", "--gates", "g.toml"]
    assert ["report", "--format", "junit", "--output", "reports/ci/run.xml"] in asked


@pytest.mark.parametrize("server", ["github", "gitlab"])
def test_a_run_without_a_verdict_leaves_nothing_to_report(server: str, tmp_path: Path) -> None:
    code, asked = run(server, tmp_path, MODEL="m", BOARD="b", FAIL_RUN="3")
    assert code == 3
    assert [words[0] for words in asked] == ["run"]


def test_what_the_scripts_ask_for_is_what_there_is() -> None:
    """The options' names, of the real program."""
    from nnom_hil.cli.app import run_app

    for words in (
        ["report", "--format", "junit", "--output", "x", "--help"],
        [
            "compare",
            "--baseline",
            "x",
            "--gates",
            "x",
            "--format",
            "junit",
            "--output",
            "x",
            "--help",
        ],
        ["compare", "--format", "markdown", "--help"],
    ):
        assert run_app(words) == 0
