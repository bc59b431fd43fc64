"""Board files: every shipped one is valid, every mistake is named with file, key and remedy."""

from pathlib import Path

import pytest

from nnom_hil.boards import find_board, list_boards, load_board
from nnom_hil.errors import BoardError
from nnom_hil.paths import boards_dir, firmware_dir

SHIPPED = sorted(boards_dir().glob("*.toml"))
GOOD = (boards_dir() / "stm32f4.toml").read_text()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_board_is_valid(path: Path) -> None:
    board = load_board(path)
    assert (firmware_dir() / "platform" / "uart" / f"{board.console.driver}.c").is_file()
    assert (firmware_dir() / "platform" / "time" / f"{board.time.driver}.c").is_file()
    assert board.backend.qemu is not None


@pytest.mark.parametrize(
    ("fault", "old", "new", "message"),
    [
        ("unknown_key", "baud =", "boud = 1\nbaud =", r"unknown key 'boud' in \[console\]"),
        ("unknown_table", "[core]", "[corr]\n[core]", "unknown key 'corr' at the top"),
        ("missing_key", "irq = 37", "", r"missing key 'irq' in \[console\]"),
        ("missing_table", '[time]\ndriver = "systick"', "", "missing key 'time' at the top"),
        ("wrong_type", "irq = 37", 'irq = "37"', r"irq = '37' in \[console\]"),
        ("float_for_int", "baud = 115_200", "baud = 115200.0", "baud = 115200.0"),
        ("unknown_cpu", "cortex-m4", "cortex-a9", "cpu = 'cortex-a9'"),
        ("odd_address", "0x4001_1000", "0x4001_1001", r"base = 1073811457 in \[console\]"),
        ("no_memory", "length = 0x2_0000", "length = 0", r"length = 0 in \[memory.ram\]"),
        ("overlap", "origin = 0x2000_0000", "origin = 0x0800_0000", "flash and ram overlap"),
        ("beyond", "length = 0x2_0000", "length = 0x1_0000_0000", "beyond 32-bit"),
        ("clock_range", "core_hz = 168_000_000", "core_hz = 0", "core_hz = 0"),
        ("clock_fraction", "core_hz = 168_000_000", "core_hz = 1_500_000", "core_hz = 1500000"),
        ("irq_range", "irq = 37", "irq = 500", "irq = 500"),
        ("injection", '"netduinoplus2"', '"netduinoplus2 -S"', "machine = 'netduinoplus2 -S'"),
        ("schema", "nnom-hil/board/1", "nnom-hil/board/9", "schema = 'nnom-hil/board/9'"),
        ("syntax", "[core]", "[core", "not valid TOML"),
        ("other_name", 'name = "stm32f4"', 'name = "stm32f5"', "it must be the file's name"),
    ],
    ids=lambda v: v if isinstance(v, str) and v.isidentifier() else "",
)
def test_mistake_is_named(fault: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD, fault
    path = tmp_path / "stm32f4.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BoardError, match=message) as caught:
        load_board(path)
    assert str(path) in str(caught.value)


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "stm32f4.toml"
    path.write_text(GOOD.replace("irq = 37", "irk = 37"))
    with pytest.raises(BoardError, match=r"missing key 'irq'[\s\S]*unknown key 'irk'"):
        load_board(path)


def test_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(BoardError, match=r"known: .*mps2_an386.*did you mean 'stm32f4'"):
        find_board("stm32f5")


def test_own_folder_comes_before_the_shipped_boards(tmp_path: Path) -> None:
    text = GOOD.replace("STM32F4 (STM32F405, Cortex-M4F)", "mine")
    (tmp_path / "stm32f4.toml").write_text(text)
    (tmp_path / "other.toml").write_text(text.replace('"stm32f4"', '"other"'))
    assert find_board("stm32f4", tmp_path).title == "mine"
    assert {"other", "stm32f4", "mps2_an386"} <= set(list_boards(tmp_path))


def test_missing_folder_of_boards_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="not a folder"):
        find_board("stm32f4", tmp_path / "nowhere")


def test_binary_file_is_no_board(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BoardError, match="not valid TOML"):
        load_board(path)
