"""What a clock counts is judged by what the firmware measured of it, not by who says what it is."""

import subprocess
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nnom_hil.boards import Board, find_board
from nnom_hil.link.messages import ClockReport, Hello
from nnom_hil.paths import firmware_dir
from nnom_hil.target.clock import judge_clock
from nnom_hil.times import Clock, TimeSource
from nnom_hil.tool import find_tool

M0, M4, M7 = 0x410CC200, 0x410FC241, 0x411FC272
COUNT = 1088
BOARD = find_board("stm32f4")


def judged(
    clock: str, *, cpuid: int = M4, emulated: bool | None = None, board: Board = BOARD
) -> Clock:
    hello: Any = SimpleNamespace(clock=ClockReport.parse(clock), cpuid=cpuid, tick_hz=168_000_000)
    return judge_clock(cast(Hello, hello), board, emulated=emulated)


def told(name: str, plain: float, load: float, branch: float, jitter: int = 0) -> str:
    """What a firmware tells whose loops take so many ticks an instruction."""
    loops = (round(COUNT * plain), round(COUNT * load), round(COUNT * branch))
    return (
        f"{name} instructions={COUNT} plain={loops[0]} load={loops[1]} branch={loops[2]} "
        f"jitter={jitter} reading=26"
    )


QEMU = told("systick", 1.345, 1.346, 1.345)
REAL = {  # by Arm's tables: what no-operations, dependent loads and taken branches take
    "dwt": (told("dwt", 1.0, 2.0, 2.9), M4),
    "dual issue": (told("dwt", 0.53, 2.0, 1.0), M7),
    "slow flash": (told("dwt", 3.0, 3.6, 9.0, jitter=20), M4),
    "M0": (told("systick", 1.0, 1.9, 2.9), M0),
    "nRF51": (told("timer", 1.0, 1.9, 2.9), M0),
}


@pytest.mark.parametrize("emulated", [None, False])
@pytest.mark.parametrize("name", REAL)
def test_cycles_of_a_core_are_told_by_it(name: str, emulated: bool | None) -> None:
    clock, cpuid = REAL[name]
    wanted = TimeSource.DWT if clock.startswith("dwt") else TimeSource.SYSTICK
    assert judged(clock, cpuid=cpuid, emulated=emulated).source is wanted


@pytest.mark.parametrize("emulated", [None, False, True])
@pytest.mark.parametrize(
    ("clock", "ticks"),
    [(QEMU, Fraction(168, 125)), (told("dwt", 1.002, 1.002, 1.002), Fraction(1))],
)
def test_emulator_is_told_by_its_clock_whoever_says_it_is_a_board(
    clock: str, ticks: Fraction, emulated: bool | None
) -> None:
    """Also behind a port, where a user gives no more than a name for it."""
    found = judged(clock, emulated=emulated)
    assert found.source is TimeSource.INSTRUCTIONS
    assert found.ticks_per_instruction == ticks


def test_rate_that_no_back_end_has_gives_no_instructions() -> None:
    found = judged(told("systick", 0.8, 0.8, 0.8), emulated=True)
    assert found.source is TimeSource.VIRTUAL
    assert found.instructions(1000) is None
    assert found.remark is not None
    assert "about 0.80 ticks for each, which fits no back end in the file of board stm32f4" in (
        found.remark
    )
    assert "clock_hz of about 100 MHz" in found.remark


@pytest.mark.parametrize(
    ("clock", "cpuid"),
    [
        (told("systick", 1.0, 2.0, 2.9), M4),  # the core has a counter, and it stands
        (told("systick", 1.0, 2.0, 2.9, jitter=50), M0),  # a core repeats
        (told("dwt", 0.2, 2.0, 2.9), M4),  # more than two instructions a cycle
        (told("timer", 1.0, 1.1, 1.1), M0),  # neither a core nor counted
        (told("dwt", 0.01, 0.01, 0.01), M4),  # too few ticks to say anything
        ("systick", M0),  # nothing was measured
        ("", M4),  # firmware from before there was a report
    ],
)
def test_clock_of_which_nothing_tells_is_unknown(clock: str, cpuid: int) -> None:
    assert judged(clock, cpuid=cpuid).source is TimeSource.UNKNOWN
    assert judged(clock, cpuid=cpuid, emulated=True).source is TimeSource.VIRTUAL


def test_process_has_the_machines_time() -> None:
    for emulated in (None, False):
        assert judged("posix", emulated=emulated).source is TimeSource.HOST


def test_words_that_a_newer_firmware_adds_are_left_alone() -> None:
    report = ClockReport.parse("dwt plain=7 divide=12 reading=3 quiet")
    assert report == ClockReport(name="dwt", loops=(7, 0, 0), reading=3)


@pytest.mark.parametrize("board", ["nucleo_f411re", "mps2_an385", "microbit"])
def test_ticks_are_turned_into_the_instructions_they_are(board: str) -> None:
    file = find_board(board)
    assert file.backend.qemu is not None
    ticks = file.backend.qemu.ticks_per_instruction(file.clock.core_hz)
    assert ticks > 1  # so that no two numbers of instructions have the same ticks
    clock = Clock(source=TimeSource.INSTRUCTIONS, hz=1, ticks_per_instruction=ticks)
    for count in (0, 1, 999, 1_553_431, 2**33 + 1):
        assert clock.instructions(round(count * ticks)) == count


def test_cycle_counter_is_extended_by_a_clock_beside_it(tmp_path: Path) -> None:
    """Over all wraps of its 32 bits, and wherever SysTick, which is read first, is beside it."""
    (tmp_path / "main.c").write_text(
        """
        #include <stdio.h>
        #include "platform/time/dwt.h"
        int main(void)
        {
            unsigned long long wrong = 0, cases = 0;
            for (int wrap = 0; wrap < 5; wrap++) {
                for (int64_t near = -300; near <= 300; near += 7) {
                    for (int64_t off = -2000000000; off <= 2000000000; off += 99999999) {
                        const int64_t now = ((int64_t)wrap << 32) + near;
                        if (now < 0 || now + off < 0) {
                            continue;
                        }
                        cases++;
                        wrong += dwt_extend((uint64_t)(now + off), (uint32_t)now) != (uint64_t)now;
                    }
                }
            }
            printf("%llu %llu", wrong, cases);
            return 0;
        }
        """
    )
    program = tmp_path / "main"
    subprocess.run(
        [
            find_tool("cc"), "-O1", "-Wall", "-Wextra", "-Werror", f"-I{firmware_dir()}",
            tmp_path / "main.c", "-o", program,
        ],
        check=True,
    )  # fmt: skip
    wrong, cases = subprocess.run([program], check=True, capture_output=True).stdout.split()
    assert int(wrong) == 0
    assert int(cases) > 10_000
