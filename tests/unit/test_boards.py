"""Board files: every shipped one is valid, every mistake is named with file, key and remedy."""

import os
import random
import re
from pathlib import Path

import pytest

from nnom_hil.boards import find_board, list_boards, load_board
from nnom_hil.build import check_drivers
from nnom_hil.codegen.firmware import board_config_h
from nnom_hil.codegen.renode import platform_description
from nnom_hil.errors import BoardError, UsageError
from nnom_hil.paths import boards_dir
from nnom_hil.run.boardfiles import check_board, new_board

SHIPPED = sorted(boards_dir().glob("*.toml"))
GOOD = (boards_dir() / "stm32f4.toml").read_text()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_board_is_valid(path: Path) -> None:
    board = load_board(path)
    check_drivers(board)
    assert board.backend.names
    if board.backend.renode is not None:
        text = platform_description(board)
        assert f"0x{board.console.base:08X}" in text
        assert "systickFrequency: 1000000000\n" in text  # one instruction, one cycle: times repeat


def test_template_is_valid(tmp_path: Path) -> None:
    path = new_board(tmp_path / "mine")
    board = load_board(path)
    assert set(board.backend.names) == {"qemu", "renode", "probe"}
    check_drivers(board)
    assert "stm32_usart_v2" in path.read_text()
    with pytest.raises(UsageError, match="exists already"):
        new_board(path)
    with pytest.raises(UsageError, match="small letters"):
        new_board(tmp_path / "My Board")


def test_startup_becomes_a_table(tmp_path: Path) -> None:
    path = tmp_path / "stm32f4.toml"
    steps = """steps = [
        { write = 0x40000004, value = 7 }, { set = 0x40000008, bits = 3 },
        { clear = 0x4000000C, bits = 12 }, { modify = 0x40000010, bits = 15, value = 5 },
        { wait = 0x40000014, bits = 2 }, { wait = 0x40000018, bits = 6, value = 4 },
    ]"""
    path.write_text(re.sub(r"steps = \[.*?\n\]", steps, GOOD, flags=re.DOTALL))
    config = board_config_h(load_board(path))
    assert [tuple(int(v.rstrip("u"), 0) for v in row.split(", ")) for row in
            re.findall(r"\{(\d, [^}]*)\}", config)] == [
        (0, 0x40000004, 0xFFFFFFFF, 7), (0, 0x40000008, 3, 3), (0, 0x4000000C, 12, 0),
        (0, 0x40000010, 15, 5), (1, 0x40000014, 2, 2), (1, 0x40000018, 6, 4),
    ]  # fmt: skip


def test_check_names_a_machine_that_qemu_lacks(tmp_path: Path) -> None:
    path = tmp_path / "stm32f4.toml"
    path.write_text(GOOD.replace("netduinoplus2", "abacus"))
    with pytest.raises(BoardError, match=r"machine = 'abacus' in \[backend.qemu\]"):
        check_board(path, build=False)


PLANTED = [
    ("unknown_key", "baud =", "boud = 1\nbaud =", r"unknown key 'boud' in \[console\]"),
    ("unknown_table", "[core]", "[corr]\n[core]", "unknown key 'corr' at the top"),
    ("unknown_back_end", "[backend.qemu]", "[backend.qmu]", r"unknown key 'qmu' in \[backend\]"),
    ("missing_key", "irq = 38", "", r"missing key 'irq' in \[console\]"),
    ("missing_table", '[time]\ndriver = "systick"', "", "missing key 'time' at the top"),
    ("missing_machine", 'machine = "netduinoplus2"', "", r"missing key 'machine' in .*qemu"),
    ("wrong_type", "irq = 38", 'irq = "38"', r"irq = '38' in \[console\]"),
    ("float_for_int", "baud = 115_200", "baud = 115200.0", "baud = 115200.0"),
    ("bool_for_int", "irq = 38", "irq = true", "irq = True"),
    ("unknown_cpu", "cortex-m4", "cortex-a9", "cpu = 'cortex-a9'"),
    ("fpu_of_another", "fpv4-sp-d16", "fpv5-d16", r"\[core\]: fpu = 'fpv5-d16' does not belong"),
    ("fpu_where_none", '"cortex-m4"', '"cortex-m3"', "cortex-m3: it has none"),
    ("odd_address", "0x4000_4400", "0x4000_4401", r"base = 1073759233 in \[console\]"),
    ("odd_register", "set = 0x4002_3840", "set = 0x4002_3842", r"in \[startup.steps.item 1"),
    ("no_memory", "length = 0x0002_0000", "length = 0", r"length = 0 in \[memory.ram\]"),
    ("little_memory", "length = 0x0002_0000", "length = 64", "64 of ram hold no firmware"),
    ("odd_length", "length = 0x0002_0000", "length = 0x1_0001", "length = 65537"),
    ("overlap", "origin = 0x2000_0000", "origin = 0x0800_0000", "flash and ram overlap"),
    ("beyond", "length = 0x0002_0000", "length = 0x1_0000_0000", "beyond 32-bit"),
    ("vectors", "origin = 0x0800_0000", "origin = 0x0800_0100", "needs a multiple of 512"),
    ("ram_alignment", "origin = 0x2000_0000", "origin = 0x2000_0004", "needs a multiple of 8"),
    ("clock_range", "core_hz = 168_000_000", "core_hz = 0", "core_hz = 0"),
    ("clock_too_fast", "core_hz = 168_000_000", "core_hz = 9_000_000_000", "core_hz = 9000000000"),
    ("clock_fraction", "core_hz = 168_000_000", "core_hz = 1_500_000", "core_hz = 1500000"),
    ("irq_range", "irq = 38", "irq = 500", "irq = 500"),
    ("baud_too_fast", "baud = 115_200", "baud = 9_000_000", "too fast for clock_hz"),
    ("console_in_ram", "base = 0x4000_4400", "base = 0x2000_0100", "base 0x20000100 lies in ram"),
    ("injection", '"netduinoplus2"', '"netduinoplus2 -S"', "machine = 'netduinoplus2 -S'"),
    ("icount", "icount_shift = 3", "icount_shift = 40", "icount_shift = 40"),
    ("half_a_platform", "mips = 168", 'mips = 168\nuart = "usart2"', "give both or neither"),
    ("usb_id", '"0483:3748"', '"483:3748"', r"item 1 = '483:3748' in \[backend.probe.usb\]"),
    ("two_registers", "{ set = 0x4002_3840,", "{ set = 0x4002_3840, wait = 0x4002_3840,",
        r"item 1\]: a step names one register.* this one has set and wait"),
    ("no_bits", "set = 0x4002_3840, bits = 0x1002_0000", "set = 0x4002_3840", "set step needs"),
    ("value_outside", "bits = 0x0000_000C, value", "bits = 0x0000_0003, value", "outside bits 0x3"),
    ("native_too", "[backend.qemu]", "[backend.native]\n[backend.qemu]", "belong together"),
    ("pin", 'tx = "PA2"', 'tx = "pa 2"', "tx = 'pa 2'"),
    ("schema", "nnom-hil/board/1", "nnom-hil/board/9", "schema = 'nnom-hil/board/9'"),
    ("syntax", "[core]", "[core", "not valid TOML"),
    ("twice", "irq = 38", "irq = 38\nirq = 39", "not valid TOML"),
    ("other_name", 'name = "stm32f4"', 'name = "stm32f5"', "it must be the file's name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "old", "new", "message"), PLANTED, ids=[fault for fault, *_ in PLANTED]
)
def test_mistake_is_named(fault: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD, fault
    path = tmp_path / "stm32f4.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BoardError, match=message) as caught:
        load_board(path)
    assert str(path) in str(caught.value)


def test_board_without_a_back_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stm32f4.toml"
    path.write_text(GOOD[: GOOD.index("[backend.qemu]")])
    with pytest.raises(BoardError, match="missing key 'backend'"):
        load_board(path)
    path.write_text(path.read_text() + "[backend]\n")
    with pytest.raises(BoardError, match=r"\[backend\]: no back end: add \[backend.qemu\]"):
        load_board(path)


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [("console", '"stm32_usart"', '"stm32_sart"'), ("time", '"systick"', '"sundial"')],
)
def test_unknown_driver_is_named_with_those_there_are(
    table: str, old: str, new: str, tmp_path: Path
) -> None:
    path = tmp_path / "stm32f4.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BoardError, match=rf"driver = .* in \[{table}\]: no such driver; known: "):
        check_drivers(load_board(path))


def test_mutated_files_are_valid_or_refused(tmp_path: Path) -> None:
    """No crash but BoardError; what is taken keeps every rule."""
    rng = random.Random(5)
    texts = [path.read_text() for path in SHIPPED]
    path = tmp_path / "x.toml"
    taken = 0
    for _ in range(100_000 if os.environ.get("NNOM_HIL_NIGHTLY") else 1_000):
        text = mutated(rng, rng.choice(texts))
        path.write_bytes(text.encode(errors="surrogateescape"))
        try:
            board = load_board(path)
        except BoardError:
            continue  # any other exception is a fault
        taken += 1
        assert board.name == "x"
        config = board_config_h(board)
        assert f"CONFIG_CORE_HZ {board.clock.core_hz}u" in config
        steps = re.search(r"STARTUP_STEPS((?:.*\\\n)*.*)", config)
        assert steps is not None
        assert steps[1].count("{") == len(board.startup.steps)
    assert taken > 100


def mutated(rng: random.Random, text: str) -> str:
    text = re.sub(r'^name = ".*"', 'name = "x"', text, flags=re.MULTILINE)
    lines = text.splitlines()
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at = rng.randrange(len(lines))
        match rng.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, rng.choice(lines))
            case 2:
                lines[at], lines[0] = lines[0], lines[at]
            case 3:
                lines[at] = re.sub(r"\d", lambda _: str(rng.randrange(10)), lines[at])
            case 4:
                number = rng.choice(["-1", "0", "1e9", "0xFFFF_FFFF", "2_000_000", "99999999999"])
                lines[at] = re.sub(r"= [0-9x_A-F]+", f"= {number}", lines[at])
            case 5 if lines[at]:
                i = rng.randrange(len(lines[at]))
                lines[at] = lines[at][:i] + chr(rng.randrange(1, 300)) + lines[at][i + 1 :]
            case _:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    return "\n".join(lines)


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "stm32f4.toml"
    path.write_text(GOOD.replace("irq = 38", "irk = 38"))
    with pytest.raises(BoardError, match=r"missing key 'irq'[\s\S]*unknown key 'irk'"):
        load_board(path)


def test_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(BoardError, match=r"known: .*mps2_an386.*did you mean 'stm32f4'"):
        find_board("stm32f5")


def test_own_folder_comes_before_the_shipped_boards(tmp_path: Path) -> None:
    text = GOOD.replace("STM32F4 Discovery (STM32F405/F407, Cortex-M4F)", "mine")
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
