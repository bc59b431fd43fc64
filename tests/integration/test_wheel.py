"""The wheel and the source archive, outside a checkout, in environments of their own."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from nnom_hil.zoo.data import zoo_model

ROOT = Path(__file__).parents[2]
MOST_MB = 120

pytestmark = pytest.mark.skipif(
    "NNOM_HIL_NIGHTLY" not in os.environ, reason="slow: NNOM_HIL_NIGHTLY=1 (make nightly)"
)


def done(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    # the programs of the system; of this environment CMake alone, where the system has none
    tools = cwd / "tools"
    tools.mkdir(exist_ok=True)
    cmake = Path(sys.executable).parent / "cmake"
    if cmake.exists() and not (tools / "cmake").exists():
        (tools / "cmake").symlink_to(cmake)
    hidden = {"PYTHONPATH", "NNOM_TEST_CACHE"}
    env = {k: v for k, v in os.environ.items() if k not in hidden}
    env |= {"PATH": f"/usr/bin:/bin:{tools}", "NNOM_HIL_CACHE": str(cwd / "cache")}
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def megabytes(folder: Path) -> float:
    """What du tells: room on the disk."""
    return sum(p.lstat().st_blocks for p in folder.rglob("*")) * 512 / 2**20


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The source archive of this tree, and the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("dist")
    tool = folder / "build"
    venv.create(tool, with_pip=True)
    pip: list[str | Path] = [
        tool / "bin" / "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "build",
    ]
    assert done(*pip, cwd=folder).returncode == 0
    made = done(tool / "bin" / "python", "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


@pytest.fixture(scope="module", params=["wheel", "sdist"])
def installed(
    request: pytest.FixtureRequest,
    packages: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with an environment in which the base is installed."""
    folder = tmp_path_factory.mktemp(request.param)
    venv.create(folder / "env", with_pip=True)
    empty = megabytes(folder / "env")
    pip: list[str | Path] = [
        folder / "env" / "bin" / "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
    ]
    made = done(*pip, packages[request.param], cwd=folder)
    assert made.returncode == 0, made.stderr
    assert megabytes(folder / "env") - empty <= MOST_MB
    return folder


def test_base_runs_what_is_bundled(installed: Path) -> None:
    nnom_hil = installed / "env" / "bin" / "nnom-hil"
    assert done(nnom_hil, "--version", cwd=installed).stdout.startswith("nnom-hil 0.")
    boards = done(nnom_hil, "boards", cwd=installed)
    assert (boards.returncode, "stm32f4" in boards.stdout) == (0, True)
    for words in (["--board", "stm32f4"], ["--board", "native", "--model", "gru"]):
        run = done(nnom_hil, "run", *words, cwd=installed)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "verdict: PASS" in run.stdout
    assert done(nnom_hil, "report", "--format", "markdown", cwd=installed).returncode == 0
    assert len(done(nnom_hil, "history", "--json", cwd=installed).stdout) > 100


def test_base_names_what_it_lacks(installed: Path) -> None:
    nnom_hil = installed / "env" / "bin" / "nnom-hil"
    (installed / "my.keras").write_bytes(zoo_model("gru").read_bytes() + b"\0")  # no copy of it
    np.savez(installed / "v.npz", x=np.zeros((2, 8, 8)))
    for extra, words in {
        "convert": ["run", "--board", "native", "--model", "my.keras", "--data", "v.npz"],
        "train": ["finetune"],
        "probe": ["boards", "scan"],
    }.items():
        said = done(nnom_hil, *words, cwd=installed)
        assert said.returncode == 3
        assert f"pip install 'nnom-hil[{extra}]'" in said.stderr.splitlines()[-1]
        assert "Traceback" not in said.stderr
