"""What commands print: python -m tests.support.cli writes tests/data/cli anew.

Each at 80 columns and in a pipe, all in one process. What depends on this machine is replaced.
"""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final
from unittest import mock

from nnom_hil.cli.app import COMMANDS as ALONE
from nnom_hil.cli.app import GROUPS, run_app
from nnom_hil.records import Verdict
from nnom_hil.run.doctor import Finding
from tests.support.run_records import full_record

__all__ = ["FOLDER", "HELP", "KEPT", "SCREEN", "printed", "workplace"]

FOLDER: Final = Path(__file__).parents[1] / "data" / "cli"
ROOT: Final = Path(__file__).parents[2]
SCREEN: Final = 80
HELP: Final = [[name, "--help"] for name in (*ALONE, *GROUPS)] + [["--help"]]
KEPT: Final[dict[str, list[str]]] = {
    "boards": ["boards"],
    "boards-show": ["boards", "show", "nucleo_f446re"],
    "build-dry-run": ["build", "--model", "lstm", "--dry-run"],
    "compare": ["compare", "runs/a", "--baseline", "baseline.json"],
    "convert": ["convert", "digits", "-o", "weights.h", "--quiet"],
    "convert-dry-run": ["convert", "lstm", "--dry-run"],
    "doctor": ["doctor"],
    "explain": ["explain", "gru", "--no-target", "--quiet"],
    "history": ["history", "--runs", "runs"],
    "inspect": ["inspect", "gru", "--no-build", "--quiet"],
    "no-board": ["run", "--board", "stm32f5"],
    "no-command": ["rnu"],
    "no-method": ["convert", "--method", "mes"],
    "no-model": ["convert", "digit"],
    "no-option": ["run", "--boad", "x"],
    "report": ["report", "runs/a"],
    "report-compare": ["report", "--compare", "runs/a", "runs/b"],
    "run-dry-run": ["run", "--model", "lstm", "--dry-run"],
}
"""Names of files, and command lines."""
_FINDINGS: Final = [
    Finding(what="Python", ok=True, found="3.11.2"),
    Finding(what="extra [probe]", ok=False, found="", optional=True,
        remedy="pip install 'nnom-hil[probe]'"),
    Finding(what="arm-none-eabi-gcc", ok=False, found="arm-none-eabi-gcc: program not found; try: "
        "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi (or: make setup)",
        remedy="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi (or: make setup)"),
    Finding(what="cache folder", ok=True, found="/home/somebody/.cache/nnom-hil: 12.0 GB free"),
]  # fmt: skip


def _why_not(backend: str, needs: str | None = None) -> str | None:
    del needs
    return None if backend in {"native", "qemu"} else "it is not here"


@contextmanager
def workplace(folder: Path) -> Iterator[None]:
    """Work in a folder with two runs and a baseline, on a machine of which all is known."""
    for name, model in (("a", "digits"), ("b", "another_model")):
        (folder / "runs" / name).mkdir(parents=True)
        record = full_record(name="layer_of_the_network", layer_count=9, model=model)
        facts: dict[str, Any] = {
            "id": f"20260101T000000000000Z-stm32f4-{model}",
            "board": "stm32f4",
        }
        if name == "a":  # the other one failed
            facts |= {"verdict": Verdict.PASS, "reasons": ()}
        record = record.model_copy(update=facts)
        (folder / "runs" / name / "run.json").write_text(record.to_json())
    before, environment = Path.cwd(), {"NNOM_HIL_CACHE": str(folder / "cache")}
    os.chdir(folder)
    try:
        with (
            mock.patch.dict(os.environ, environment | {"NNOM_HIL_CONFIG": "none"}),
            mock.patch("nnom_hil.target.there.why_not", _why_not),
            mock.patch("nnom_hil.target.select.why_not", _why_not),
            mock.patch("nnom_hil.run.doctor.examine", return_value=_FINDINGS),
        ):
            made = printed(["compare", "runs/a", "--baseline", "baseline.json", "--update"], None)
            assert made.endswith("exit code 0\n"), made
            yield
    finally:
        os.chdir(before)


def printed(words: list[str], columns: int | None) -> str:
    """Return what a command prints to both outputs, and its exit code; columns: None is a pipe."""
    text = io.StringIO()
    size = {} if columns is None else {"COLUMNS": str(columns)}
    with mock.patch.dict(os.environ, size), redirect_stdout(text), redirect_stderr(text):
        if columns is None:
            os.environ.pop("COLUMNS", None)
        code = run_app(words)
    shown = text.getvalue().replace(str(Path.cwd()), "HERE").replace(str(ROOT), "CHECKOUT")
    return "".join(f"{line.rstrip()}\n" for line in f"{shown}exit code {code}".splitlines())


def main() -> int:
    """Write the files."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, workplace(Path(folder)):
        for name, words in KEPT.items():
            for columns in (SCREEN, None):
                kind = "pipe" if columns is None else "screen"
                (FOLDER / f"{name}.{kind}.txt").write_text(printed(words, columns))
    return 0


if __name__ == "__main__":
    sys.exit(main())
