"""What a record tells of the tree and the packages that it was made by."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnom_hil.build.contents import compiler_flags
from nnom_hil.errors import BuildError
from nnom_hil.run.provenance import beside_the_conversion, commit_of, loaded_libraries


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *name, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_commit_is_that_of_the_tree_around(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert commit_of(tmp_path) is None  # there is no commit yet
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "m")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "new").mkdir()
    assert commit_of(tmp_path / "new") == head  # files that git does not know are nobody's business
    (tmp_path / "a").write_text("2")
    assert commit_of(tmp_path) == f"{head}+changes"
    git(tmp_path, "add", "a")
    assert commit_of(tmp_path) == f"{head}+changes"


def test_no_tree_no_git_and_broken_trees_are_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commit_of(tmp_path) is None
    assert commit_of(tmp_path / "gone") is None
    (tmp_path / ".git").write_text("gitdir: nowhere")
    assert commit_of(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(Path(__file__).parent) is None


def test_settings_of_the_tree_start_no_program(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "m")
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    monitor.chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(monitor))
    assert commit_of(tmp_path) is not None
    assert not (tmp_path / "started").exists()


def test_libraries_are_those_that_were_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorflow", "sklearn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    loaded = loaded_libraries()
    assert loaded["numpy"] == np.__version__
    assert not {"tensorflow", "scikit-learn"} & loaded.keys()


def test_other_versions_than_the_conversion_s_are_told_apart() -> None:
    now = np.__version__
    assert beside_the_conversion({"keras": "3.1", "numpy": now}) == {"keras": "3.1", "numpy": now}
    told = beside_the_conversion({"keras": "3.1", "numpy": "1.0"})
    assert told == {"keras": "3.1", "numpy": now, "numpy (conversion)": "1.0"}


def test_flags_are_the_compiler_s_without_folders() -> None:
    command = (
        r"/usr/bin/arm-none-eabi-gcc -DA=\"b\" -I/tmp/w/inc -isystem /tmp/x -mcpu=cortex-m4 -O2 "
        r"-ffile-prefix-map=/tmp/w=generated -o m.obj -c /f/app/model.c"
    )
    entries = [
        {"file": "/f/x.c", "command": "cc -O0"}, {"file": "/f/app/model.c", "command": command},
    ]  # fmt: skip
    assert compiler_flags(json.dumps(entries)) == ('-DA="b"', "-mcpu=cortex-m4", "-O2")
    with pytest.raises(BuildError, match="reinstall nnom-hil"):
        compiler_flags("[]")
