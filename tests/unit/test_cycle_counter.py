"""The clock's driver as compiled for its cores, on a core that takes the cycles of a real one.

No emulator at hand has pipelines, and QEMU has no cycle counter. Here Unicorn runs the driver's
code instruction by instruction, each takes what Arm's tables say, and SysTick and DWT count that.
"""

import re
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
import unicorn
from unicorn import arm_const

from nnom_hil.boards import find_board
from nnom_hil.link.messages import ClockReport, Hello
from nnom_hil.paths import firmware_dir
from nnom_hil.target.clock import judge_clock
from nnom_hil.target.symbols import load_pieces
from nnom_hil.times import TimeSource
from nnom_hil.tool import find_tool

FLASH, RAM, PPB = 0x0800_0000, 0x2000_0000, 0xE000_0000
SYST_CSR, SYST_CVR = 0xE000_E010, 0xE000_E018
DEMCR, TRCENA = 0xE000_EDFC, 1 << 24
DWT_CTRL, DWT_CYCCNT, DWT_LAR = 0xE000_1000, 0xE000_1004, 0xE000_1FB0
NOCYCCNT, CYCCNTENA, KEY = 1 << 25, 1, 0xC5AC_CE55
NEVER: Final = FLASH + 0x8000  # where calls return to
CPUS = {
    "cortex-m0": (arm_const.UC_CPU_ARM_CORTEX_M0, 0x410CC200),
    "cortex-m4": (arm_const.UC_CPU_ARM_CORTEX_M4, 0x410FC241),
    "cortex-m7": (arm_const.UC_CPU_ARM_CORTEX_M7, 0x411FC272),
    "cortex-m33": (arm_const.UC_CPU_ARM_CORTEX_M33, 0x410FD213),
}
CYCLES = ((0xF800, 0x6800, 2), (0xFFFF, 0xE7FF, 3))  # mask, instruction: loads, branches taken


@dataclass
class Counter:
    """DWT's. there: NOCYCCNT says so. counts: it moves. locked: until its lock is opened."""

    there: bool = True
    counts: bool = True
    locked: bool = False
    began: int | None = None  # the cycle at which it was 0; None while it stands
    offset: int = 0
    touched: bool = False


@dataclass
class Core:
    """One core with the driver in its flash. equal: each instruction takes one cycle."""

    cpu: str
    elf: Path
    symbols: dict[str, int]
    counter: Counter = field(default_factory=Counter)
    equal: bool = False
    cycles: int = 0
    began: int = 0  # SysTick
    demcr: int = 0

    def __post_init__(self) -> None:
        uc = self.uc = unicorn.Uc(
            unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
        )
        uc.ctl_set_cpu_model(CPUS[self.cpu][0])
        uc.mem_map(FLASH, 0x10000)
        uc.mem_map(RAM, 0x10000)
        uc.mmio_map(PPB, 0x10000, self._read, None, self._write, None)
        for address, data in load_pieces(self.elf):
            uc.mem_write(address, data)
        uc.hook_add(unicorn.UC_HOOK_CODE, self._step)

    def call(self, name: str) -> int:
        """Run a function to its end; return what it returns, 64 bits."""
        self.uc.reg_write(arm_const.UC_ARM_REG_SP, RAM + 0xF000)
        self.uc.reg_write(arm_const.UC_ARM_REG_LR, NEVER | 1)
        self.uc.emu_start(self.symbols[name] | 1, NEVER)
        low, high = (
            self.uc.reg_read(r) for r in (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1)
        )
        return int(high) << 32 | int(low)

    def pass_by(self, cycles: int) -> None:
        """Let time pass, with what SysTick's interrupts do."""
        before, self.cycles = self.cycles, self.cycles + cycles
        wraps = (self.cycles - self.began - 1) >> 24
        if self.began and wraps != (before - self.began - 1) >> 24:
            self.uc.mem_write(self.symbols["wraps"], struct.pack("<I", wraps))

    def facts(self) -> ClockReport:
        where = self.call("ticks_about") & 0xFFFF_FFFF
        name, count, *loops, jitter, reading = struct.unpack("<7I", self.uc.mem_read(where, 28))
        text = bytes(self.uc.mem_read(name, 16)).split(b"\0")[0].decode()
        return ClockReport(
            name=text, instructions=count, loops=tuple(loops), jitter=jitter, reading=reading
        )

    def _step(self, uc: Any, address: int, size: int, _: object) -> None:
        (word,) = struct.unpack("<H", uc.mem_read(address, 2))
        costs = [n for mask, value, n in CYCLES if word & mask == value]
        self.pass_by(costs[0] if costs and not self.equal else 1)

    def _read(self, uc: Any, offset: int, size: int, _: object) -> int:
        address, counter = PPB + offset, self.counter
        counter.touched |= DWT_CTRL <= address <= DWT_LAR
        if address == SYST_CVR:
            return -(self.cycles - self.began) & 0xFF_FFFF
        if address == DEMCR:
            return self.demcr
        if address == DWT_CTRL:
            return 4 << 28 | (0 if counter.there else NOCYCCNT) | (counter.began is not None)
        if address == DWT_CYCCNT and counter.began is not None:
            return (self.cycles - counter.began) & 0xFFFF_FFFF
        return 0

    def _write(self, uc: Any, offset: int, size: int, value: int, _: object) -> None:
        address, counter = PPB + offset, self.counter
        counter.touched |= DWT_CTRL <= address <= DWT_LAR
        if address in (SYST_CSR, SYST_CVR):
            self.began = self.cycles
        elif address == DEMCR:
            self.demcr = value
        elif address == DWT_LAR:
            counter.locked &= value != KEY
        elif counter.locked or not self.demcr & TRCENA or not counter.counts or not counter.there:
            pass
        elif address == DWT_CTRL and value & CYCCNTENA and counter.began is None:
            counter.began = self.cycles
        elif address == DWT_CYCCNT and counter.began is not None:
            counter.began = self.cycles - value


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("clock")
    (folder / "board_config.h").write_text("")

    def core(cpu: str, counter: Counter | None = None, *, equal: bool = False) -> Core:
        elf = folder / f"{cpu}.elf"
        platform = firmware_dir() / "platform"
        if not elf.exists():
            subprocess.run(
                [
                    find_tool("arm-none-eabi-gcc"), f"-mcpu={cpu}", "-mthumb", "-O2", "-nostdlib",
                    "-Wall", "-Wextra", "-Wconversion", "-Werror", f"-I{folder}",
                    f"-I{firmware_dir()}", platform / "ticks.c", platform / "time" / "systick.c",
                    f"-Wl,-Ttext={FLASH:#x},-Tdata={RAM:#x},-Tbss={RAM + 0x1000:#x},-e,ticks_init",
                    "-o", elf,
                ],
                check=True,
            )  # fmt: skip
        listing = subprocess.run(
            [find_tool("arm-none-eabi-nm"), elf], check=True, capture_output=True, text=True
        ).stdout
        symbols = {name: int(at, 16) for at, name in re.findall(r"^(\w+) \w (\w+)$", listing, re.M)}
        made = Core(cpu, elf, symbols, counter or Counter(), equal)
        made.call("ticks_init")
        return made

    return core


def source(core: Core, emulated: bool | None) -> TimeSource:
    hello: Any = SimpleNamespace(clock=core.facts(), cpuid=CPUS[core.cpu][1], tick_hz=1_000_000)
    return judge_clock(cast(Hello, hello), find_board("stm32f4"), emulated=emulated).source


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m7", "cortex-m33"])
def test_core_with_a_cycle_counter_is_timed_by_it(cpu: str, built: Any) -> None:
    core = built(cpu, Counter(locked=cpu == "cortex-m7"))
    told = core.facts()
    assert told.name == "dwt"
    plain, load, branch = told.loops
    assert told.instructions == 32 * 34
    assert plain - told.instructions < 40  # one cycle each, and the loop's own way in and out
    assert load - plain == 32 * 32
    assert branch - plain == 2 * 32 * 32
    assert told.jitter == 0
    assert source(core, None) is source(core, False) is TimeSource.DWT


@pytest.mark.parametrize("counter", [{"there": False}, {"counts": False}])
def test_counter_that_does_not_move_leaves_it_to_systick(
    counter: dict[str, bool], built: Any
) -> None:
    """Left out of the chip, or held by its debug authentication: a port alone cannot tell it."""
    core = built("cortex-m33", Counter(**counter))
    assert core.facts().name == "systick"
    assert source(core, False) is TimeSource.SYSTICK
    assert source(core, None) is TimeSource.UNKNOWN


def test_core_without_a_counter_leaves_it_alone(built: Any) -> None:
    core = built("cortex-m0")
    assert core.facts().name == "systick"
    assert not core.counter.touched
    assert source(core, None) is TimeSource.SYSTICK


@pytest.mark.parametrize("counter", [Counter(), Counter(counts=False)])
def test_core_whose_instructions_all_take_the_same_is_none(counter: Counter, built: Any) -> None:
    assert source(built("cortex-m4", counter, equal=True), False) is TimeSource.INSTRUCTIONS


@pytest.mark.parametrize("counts", [True, False])
def test_time_is_right_over_all_wraps(counts: bool, built: Any) -> None:
    core = built("cortex-m4", Counter(counts=counts))
    core.call("ticks_restart")

    def check(passing: int) -> None:
        core.pass_by(passing)
        before = core.cycles - core.began
        now = core.call("ticks_now")
        assert before - 30 <= now <= core.cycles - core.began, before

    for passing in (5, 2**24, 2**31, 2**32 - 90, 2**32, 3 * 2**32 + 7):
        check(passing)
    for steps in range(40):  # SysTick wraps at each step of the reading
        check(-(core.cycles - core.began + steps) % 2**24)


def test_reading_is_what_lies_between_two_readings(built: Any) -> None:
    for counts in (True, False):
        core = built("cortex-m4", Counter(counts=counts))
        first, second = core.call("ticks_now"), core.call("ticks_now")
        assert abs(second - first - core.facts().reading) <= 4  # less what its caller does
