"""The virtual board's parts: flash controller by the reference manual, debug port by ADIv5."""

import struct
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnom_hil.virtual.chip import Chip
from nnom_hil.virtual.debug_port import BusFaultError, DebugPort
from nnom_hil.virtual.flash_controller import FLASH_BASE, FlashController
from nnom_hil.virtual.rack import StuckBit

KB: Final = 1024
KEYR, SR, CR, OPTCR = 0x04, 0x0C, 0x10, 0x14
PG, SER, MER, STRT, LOCK = 1 << 0, 1 << 1, 1 << 2, 1 << 16, 1 << 31
BYTES, WORDS = 0 << 8, 2 << 8
EOP, WRPERR, PGAERR, PGPERR, PGSERR, BSY = 1 << 0, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 16


def unlocked(memory: bytearray | None = None, **wishes: object) -> FlashController:
    memory = bytearray(b"\xff" * (1024 * KB)) if memory is None else memory
    flash = FlashController(memory, **wishes)  # type: ignore[arg-type]
    flash.write_register(KEYR, 0x45670123)
    flash.write_register(KEYR, 0xCDEF89AB)
    assert not flash.read_register(CR) & LOCK
    return flash


def finish(flash: FlashController) -> int:
    """Wait until it is not busy; return its error bits, which are cleared."""
    for _ in range(10_000):
        if not (status := flash.read_register(SR)) & BSY:
            flash.write_register(SR, 0xF3)
            return status & 0xF2
    raise AssertionError("busy for ever")


def program(flash: FlashController, offset: int, value: int, size: int = 4) -> int:
    flash.write_register(CR, PG | WORDS)
    flash.program(FLASH_BASE + offset, value, size)
    return finish(flash)


def test_it_is_locked_until_its_keys_come_in_order() -> None:
    flash = FlashController(bytearray(b"\xff" * (1024 * KB)))
    flash.write_register(CR, PG | WORDS)
    assert flash.read_register(CR) == LOCK
    flash.program(FLASH_BASE, 0, 4)
    assert finish(flash) == PGSERR
    flash.write_register(KEYR, 0xCDEF89AB)  # the second one first: locked out until the reset
    for key in (0x45670123, 0xCDEF89AB):
        flash.write_register(KEYR, key)
    assert flash.read_register(CR) & LOCK
    flash.reset()
    for key in (0x45670123, 0xCDEF89AB):
        flash.write_register(KEYR, key)
    assert program(flash, 8, 0x12345678) == 0
    assert flash.memory[8:12] == b"\x78\x56\x34\x12"
    flash.write_register(CR, LOCK)
    assert flash.read_register(CR) & LOCK


@given(old=st.integers(0, 2**32 - 1), new=st.integers(0, 2**32 - 1))
def test_programming_only_clears_bits(old: int, new: int) -> None:
    flash = unlocked(bytearray(struct.pack("<I", old) * 8 + bytes(1024 * KB - 32)))
    assert program(flash, 4, new) == 0
    assert struct.unpack_from("<3I", flash.memory) == (old, old & new, old)


def test_width_and_alignment_are_checked() -> None:
    flash = unlocked()
    flash.write_register(CR, PG | BYTES)
    flash.program(FLASH_BASE, 0, 4)
    assert finish(flash) == PGPERR
    assert program(flash, 14, 0) == PGAERR  # over a row of 128 bits
    flash.write_register(CR, WORDS)  # not programming
    flash.program(FLASH_BASE, 0, 4)
    assert finish(flash) == PGSERR
    assert flash.memory == b"\xff" * len(flash.memory)


def test_a_write_while_it_is_busy_is_an_error() -> None:
    flash = unlocked()
    flash.write_register(CR, PG | WORDS)
    flash.program(FLASH_BASE, 1, 4)
    flash.program(FLASH_BASE + 4, 2, 4)
    assert finish(flash) == PGSERR
    assert flash.memory[4:8] == b"\xff" * 4


@pytest.mark.parametrize(
    ("number", "start", "size"),
    [(0, 0, 16), (3, 48, 16), (4, 64, 64), (5, 128, 128), (11, 896, 128)],
)
def test_a_sector_is_erased_and_nothing_beside_it(number: int, start: int, size: int) -> None:
    flash = unlocked(bytearray(1024 * KB))
    flash.write_register(CR, SER | WORDS | number << 3)
    flash.write_register(CR, SER | WORDS | number << 3 | STRT)
    polls = 0
    while flash.read_register(SR) & BSY:
        polls += 1
    assert polls > 100, "erasing takes time"
    expected = bytearray(1024 * KB)
    expected[start * KB : (start + size) * KB] = b"\xff" * (size * KB)
    assert flash.memory == expected


def test_a_sector_that_is_not_there_and_the_whole_chip() -> None:
    flash = unlocked(bytearray(1024 * KB))
    for number in (12, 15, 16, 31):
        flash.write_register(CR, SER | WORDS | number << 3 | STRT)
        assert finish(flash) == 2  # OPERR
    assert not any(flash.memory)
    flash.write_register(CR, MER | WORDS | STRT)
    assert finish(flash) == 0
    assert flash.memory == b"\xff" * len(flash.memory)


@pytest.mark.parametrize("how", ["write_protected", "read_protected"])
def test_protected_sectors_stay_as_they_are(how: str) -> None:
    flash = unlocked(bytearray(1024 * KB), **{how: True})
    flash.write_register(CR, SER | WORDS | STRT)
    assert finish(flash) == WRPERR
    assert program(flash, 0, 0xFFFFFFFF) == WRPERR
    assert not any(flash.memory)
    rdp = flash.read_register(OPTCR) >> 8 & 0xFF
    assert (rdp == 0xAA) == (how == "write_protected")


def test_stuck_bit_stays_one() -> None:
    flash = unlocked(stuck=StuckBit(address=FLASH_BASE + 5, bit=3))
    assert program(flash, 4, 0) == 0
    assert flash.memory[4:8] == b"\x00\x08\x00\x00"


# ---- the chip behind its debug port


class Nothing:
    """Firmware that is only noted."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def boot(self, flash: bytes) -> None:
        self.did.append("boot")

    def pause(self) -> None:
        self.did.append("pause")

    def go_on(self) -> None:
        self.did.append("go on")

    def off(self) -> None:
        self.did.append("off")


class Wire:
    """A debugger's smallest part: memory through TAR and DRW."""

    def __init__(self, memory: bytearray | None = None, **faults: object) -> None:
        self.firmware = Nothing()
        if memory is None:
            memory = bytearray(b"\xff" * (1024 * KB))
            struct.pack_into("<II", memory, 0, 0x20001000, FLASH_BASE + 0x101)
        flash = FlashController(memory, **faults)  # type: ignore[arg-type]
        self.chip = Chip(flash, self.firmware, id_code=0x419)
        self.port = DebugPort(self.chip)
        self.chip.power_on()

    def read(self, address: int, size: int = 4) -> int:
        self.port.write_dp(8, 0)
        self.port.write_ap(0, 0x10 | {1: 0, 2: 1, 4: 2}[size])
        self.port.write_ap(4, address)
        return self.port.read_ap(12) >> 8 * (address & 3) & ((1 << 8 * size) - 1)

    def write(self, address: int, value: int, size: int = 4) -> None:
        self.port.write_dp(8, 0)
        self.port.write_ap(0, 0x10 | {1: 0, 2: 1, 4: 2}[size])
        self.port.write_ap(4, address)
        self.port.write_ap(12, value << 8 * (address & 3))

    def halt(self) -> None:
        self.write(0xE000EDF0, 0xA05F0003)

    def go(self) -> None:
        self.write(0xE000EDF0, 0xA05F0001)

    def register(self, number: int, value: int | None = None) -> int:
        if value is not None:
            self.write(0xE000EDF8, value)
        self.write(0xE000EDF4, number | (0 if value is None else 1 << 16))
        return self.read(0xE000EDF8)


def test_bytes_and_words_go_through_the_access_port() -> None:
    wire = Wire()
    wire.write(0x20000010, 0x11223344)
    assert [wire.read(0x20000010 + i, 1) for i in range(4)] == [0x44, 0x33, 0x22, 0x11]
    wire.write(0x20000013, 0xAA, 1)
    wire.write(0x20000010, 0xBBCC, 2)
    assert wire.read(0x20000010) == 0xAA22BBCC
    wire.port.write_ap(4, 0x20000FF8)
    wire.port.write_words([1, 2, 3])  # the address wraps within its 4 KB
    assert [wire.read(a) for a in (0x20000FF8, 0x20000FFC, 0x20000000, 0x20001000)] == [1, 2, 3, 0]
    wire.port.write_ap(4, 0x20000FFC)
    assert wire.port.read_words(2) == [2, 3]
    with pytest.raises(BusFaultError, match="0x60000000: nothing is there"):
        wire.read(0x60000000)
    wire.port.write_dp(8, 1 << 24)
    assert wire.port.read_ap(0xFC) == 0, "there is one access port"


def test_code_in_ram_runs_to_its_breakpoint() -> None:
    wire = Wire()
    wire.halt()
    # adds r0, r0, r1; lsls r0, r0, #1; bkpt
    wire.write(0x20000100, 0x00401840)
    wire.write(0x20000104, 0xE7FDBE00)
    wire.register(0, 5)
    wire.register(1, 7)
    wire.register(15, 0x20000100)
    wire.go()
    assert wire.read(0xE000EDF0) & 1 << 17  # halted
    assert wire.register(0) == 24
    assert wire.register(15) == 0x20000104
    assert wire.read(0xE000ED30) & 2  # by a breakpoint


def test_firmware_is_held_and_let_go_and_reset() -> None:
    wire = Wire()
    did = wire.firmware.did
    assert did[-1] == "boot"
    wire.halt()
    wire.go()
    assert did[-2:] == ["pause", "go on"]
    wire.write(0xE000EDFC, 1)  # catch the reset
    wire.halt()
    wire.write(0xE000ED0C, 0x05FA0004)
    assert did[-1] == "off"
    assert wire.read(0xE000EDF0) & 1 << 25  # was reset, and
    assert wire.read(0xE000EDF0) & 1 << 17  # waits
    assert wire.register(15) == FLASH_BASE + 0x100
    assert wire.register(13) == 0x20001000
    wire.go()
    assert did[-1] == "boot"


def test_firmware_is_gone_once_the_debugger_has_used_the_core() -> None:
    wire = Wire()
    wire.halt()
    wire.register(0, 1)
    assert wire.firmware.did[-1] == "off"
    wire.register(15, FLASH_BASE + 0x500)
    wire.go()
    assert wire.read(0xE000EDF0) & 1 << 19, "in the middle of the firmware nothing can begin"


def test_erased_flash_locks_the_core_up_and_protected_flash_cannot_be_read() -> None:
    wire = Wire(bytearray(b"\xff" * (1024 * KB)))
    assert wire.read(0xE000EDF0) & 1 << 19
    wire = Wire(bytearray(1024 * KB), read_protected=True)
    with pytest.raises(BusFaultError, match="protected from reading"):
        wire.read(FLASH_BASE)
    assert wire.read(0x40023C14) >> 8 & 0xFF == 0x55
    assert wire.read(0xE0042000) & 0xFFF == 0x419
