"""The quick list of boards says what their files do, and the kernel's word on probes is enough."""

from pathlib import Path

import pytest

from nnom_hil.boards import Cpu, list_boards, load_board
from nnom_hil.boards.listing import board_lines
from nnom_hil.errors import BoardError
from nnom_hil.probe.usb import list_usb_ids, may_have_probes


def test_lines_are_what_the_files_say() -> None:
    lines = {line.name: line for line in board_lines()}
    assert lines.keys() == list_boards().keys()
    for name, path in list_boards().items():
        board, line = load_board(path), lines[name]
        probe, native = board.backend.probe, board.core.cpu is Cpu.NATIVE
        assert (line.title, line.cpu) == (board.title, board.core.cpu.value)
        assert line.backends == board.backend.names
        assert line.hz == (None if native else board.clock.core_hz)
        assert line.flash == (None if native else board.memory.flash.length)
        assert line.ram == (None if native else board.memory.ram.length)
        assert line.needs == (probe.needs if probe else None)
        assert line.usb == (probe.usb if probe else ())


@pytest.mark.parametrize(
    "text", ["", "name = 'mine'", "schema = 1\n[core]\ncpu = 'cortex-m4'", "x"]
)
def test_a_wrong_file_of_the_user_s_is_told_as_ever(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(BoardError, match=r"mine\.toml: not (a )?valid"):
        board_lines(tmp_path)


def device(folder: Path, name: str, **facts: str) -> None:
    (folder / name).mkdir(parents=True)
    for fact, value in facts.items():
        (folder / name / fact).write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("kind", "protocol", "may"),
    [("ff", "00", True), ("03", "00", True), ("03", "01", False), ("03", "02", False),
     ("09", "00", False), ("08", "50", False)],
)  # fmt: skip
def test_what_may_be_a_probe_is_asked_about(
    kind: str, protocol: str, may: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NNOM_HIL_VIRTUAL_BOARDS", raising=False)
    device(tmp_path, "1-1", idVendor="0483", idProduct="374b")
    device(tmp_path, "1-1:1.0", bInterfaceClass=kind, bInterfaceProtocol=protocol)
    assert may_have_probes(tmp_path) is may
    assert list_usb_ids(tmp_path) == {"0483:374b"}
    monkeypatch.setenv("NNOM_HIL_VIRTUAL_BOARDS", "rack.toml")
    assert may_have_probes(tmp_path)
