"""nnom-hil boards and build, as a user types them."""

from pathlib import Path

import pytest

from nnom_hil.boards import find_board
from nnom_hil.cli.app import run_app
from nnom_hil.report.survey import survey_table
from nnom_hil.run.request import RunRequest
from nnom_hil.run.survey import survey


def test_boards_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["boards"]) == 0
    assert "lm3s6965evb" in capsys.readouterr().out
    assert run_app(["boards", "show", "stm32f4"]) == 0
    said = capsys.readouterr().out
    assert "console  stm32_usart at 0x40004400, interrupt 38, 115200 baud, TX PA2, RX PA3" in said
    assert "machine netduinoplus2, icount_shift 3, serial 1: can run here" in said
    assert run_app(["boards", "show", "stm32f5"]) == 2
    assert "did you mean 'stm32f4'" in capsys.readouterr().err


def test_new_board_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["boards", "new", str(tmp_path / "mine")]) == 0
    assert run_app(["boards", "check", str(tmp_path / "mine.toml")]) == 0
    said = capsys.readouterr().out
    assert "the digits firmware fits" in said
    assert "qemu: can run it here" in said
    assert run_app(["boards", "new", str(tmp_path / "mine")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_firmware_is_built_for_other_tools(tmp_path: Path) -> None:
    assert run_app(["build", "--board", "stm32f4", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "stm32f4.elf").read_bytes().startswith(b"\x7fELF")
    assert "cpuType" in (tmp_path / "stm32f4.repl").read_text()


def test_survey_has_a_row_for_what_runs_and_for_what_does_not_fit() -> None:
    boards = [find_board(name) for name in ("native", "microbit", "stm32f103")]
    rows = survey(boards, RunRequest(board=boards[0], runs=Path(), limit=5))
    assert [(row.board.name, row.record is not None) for row in rows] == [
        ("native", True),
        ("microbit", False),
    ]
    table = survey_table(
        [(r.board.name, r.board.core.cpu.value, r.backend, r.record, r.why) for r in rows]
    )
    assert "| native | native |  | native | 5 of 5 |" in table
    assert "does not fit board microbit" in table
