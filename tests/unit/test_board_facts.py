"""What board files say, against what others know: pyOCD's tables, QEMU's machines."""

import re
import subprocess
from functools import cache

import pytest
from pyocd.board.board_ids import BOARD_ID_TO_INFO
from pyocd.target import TARGET

from nnom_hil.boards import Board, Cpu, list_boards, load_board
from nnom_hil.cli.app import run_app
from nnom_hil.run.doctor import examine

BOARDS = {name: load_board(path) for name, path in list_boards().items()}
FLASHED = [board for board in BOARDS.values() if board.backend.probe]
EMULATED = [board for board in BOARDS.values() if board.backend.qemu]
# what pyOCD's ST-LINK, CMSIS-DAP and J-Link drivers open, and our own
OPENED = re.compile(r"0483:37(48|4[abef]|5[23457])|0d28:0204|1366:....|1209:0001")


@pytest.mark.parametrize("board", FLASHED, ids=lambda board: board.name)
def test_probe_and_chip_are_such_as_pyocd_knows(board: Board) -> None:
    probe = board.backend.probe
    assert probe is not None
    assert (probe.target in TARGET) == (probe.pack is None), "the pack is named where it is needed"
    opened = [usb for usb in probe.usb if OPENED.fullmatch(usb)]
    assert bool(opened) != bool(probe.needs), "what is needed is told where no probe can be opened"
    assert probe.id is not None
    if probe.unlocked is None:
        assert "nrf5" in probe.target or "lm3s" in probe.target, "whether it is locked is asked"


@pytest.mark.parametrize(
    ("in_pyocd", "board"),
    [
        ("NUCLEO-F429ZI", "nucleo_f429zi"),
        ("NUCLEO-F446RE", "nucleo_f446re"),
        ("NUCLEO-F767ZI", "nucleo_f767zi"),
        ("NUCLEO-H753ZI", "nucleo_h753zi"),
        ("NUCLEO-L476RG", "nucleo_l476rg"),
        ("NUCLEO-L4R5ZI", "nucleo_l4r5zi"),
        ("DISCO-F407VG", "stm32f4"),
        ("DISCO-F746NG", "stm32f746g_disco"),
        ("32F072BDISCOVERY", "stm32f072b_disco"),
        ("NUCLEO-F411RE", "nucleo_f411re"),
        ("NUCLEO-G071RB", "nucleo_g071rb"),
        ("NUCLEO-G474RE", "nucleo_g474re"),
        ("NUCLEO-L552ZE-Q", "nucleo_l552ze_q"),
        ("NUCLEO-U575ZI-Q", "nucleo_u575zi_q"),
        ("NUCLEO-WB55RG", "nucleo_wb55rg"),
        ("DISCO-L475VG-IOT01A", "b_l475e_iot01a"),
        ("nRF52-DK", "nrf52dk"),
        ("micro:bit v2", "microbit_v2"),
        ("nRF52840-DK", "nrf52840dk"),
        ("micro:bit", "microbit"),
    ],
)
def test_chip_is_the_one_of_pyocds_board_table(in_pyocd: str, board: str) -> None:
    """Else `boards scan` does not recognise the board by its probe."""
    probe = BOARDS[board].backend.probe
    assert probe is not None
    assert {info.target for info in BOARD_ID_TO_INFO.values() if info.name == in_pyocd} == {
        probe.target
    }


@cache
def monitor(machine: str, command: str) -> str:
    """What QEMU answers to a monitor command before the machine has started."""
    return subprocess.run(
        ["qemu-system-arm", "-machine", machine, "-S", "-display", "none", "-nodefaults",
         "-monitor", "stdio"],
        input=f"{command}\nquit\n", capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip


@pytest.mark.parametrize("board", EMULATED, ids=lambda board: board.name)
def test_memories_and_console_are_where_the_machine_has_them(board: Board) -> None:
    assert board.backend.qemu is not None
    regions = [
        (int(start, 16), int(end, 16) + 1, what)
        for start, end, what in re.findall(
            r"^  ([0-9a-f]{16})-([0-9a-f]{16}) \(prio \d+, (.*)$",
            monitor(board.backend.qemu.machine, "info mtree -f"), flags=re.MULTILINE,
        )
    ]  # fmt: skip
    memories = sorted(r for r in regions if re.match(r"(ram|rom|romd)\):|i/o\): tz-mpc-up", r[2]))
    for region in (board.memory.flash, board.memory.ram):
        reached = region.origin
        for start, end, _ in memories:
            reached = end if start <= reached < end else reached
        assert reached >= region.end, f"memory at {region.origin:#x} ends at {reached:#x}"
    devices = {what for start, _, what in regions if start == board.console.base}
    assert any(re.search("uart|usart|pl011|tz-ppc-port", what) for what in devices), devices


@pytest.mark.parametrize(
    "board", [b for b in EMULATED if not b.startup.steps], ids=lambda board: board.name
)
def test_clock_that_nothing_sets_is_the_machines(board: Board) -> None:
    assert board.backend.qemu is not None
    text = monitor(board.backend.qemu.machine, "info qtree")
    clocks = {float(mhz) for mhz in re.findall(r'"cpuclk" freq_hz=([\d.]+) MHz', text)}
    assert clocks == {board.clock.core_hz / 1e6}


def test_board_whose_own_probe_cannot_be_opened_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nnom_hil.run.doctor.list_usb_ids", lambda: {"0483:3744"})
    probes = next(finding for finding in examine() if finding.what == "debug probes")
    assert not probes.ok
    assert re.search(r"0483:3744: STM32VLDISCOVERY .* needs another probe at PA13", probes.remedy)
    assert run_app(["boards", "show", "stm32vldiscovery"]) == 0
    assert capsys.readouterr().out.count("cannot open an ST-LINK/V1") == 1


def test_cores_without_a_vector_table_register_are_told_apart() -> None:
    """A Cortex-M0 has none: its firmware cannot take interrupts from behind a boot loader."""
    starts = {0, 0x0800_0000}
    for board in BOARDS.values():
        if board.core.cpu is Cpu.CORTEX_M0:
            assert board.memory.flash.origin in starts, board.name
