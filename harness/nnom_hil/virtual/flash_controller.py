"""The flash memory and its controller, as the STM32F4's reference manual (RM0090, 3) says.

Locked until its keys come in order, busy while it works, programs with the width that is set,
and turns ones to zeros only. Erasing a sector makes ones again.
"""

from enum import IntEnum
from typing import Final

from nnom_hil.virtual.rack import StuckBit

__all__ = ["FLASH_BASE", "REGISTERS_BASE", "REGISTERS_END", "FlashController"]

FLASH_BASE: Final = 0x0800_0000
REGISTERS_BASE: Final = 0x4002_3C00
REGISTERS_END: Final = REGISTERS_BASE + 0x400


class _Register(IntEnum):
    ACR = 0x00
    KEYR = 0x04
    SR = 0x0C
    CR = 0x10
    OPTCR = 0x14


_KEYS: Final = (0x4567_0123, 0xCDEF_89AB)

_SR_EOP, _SR_OPERR, _SR_WRPERR, _SR_PGAERR, _SR_PGPERR, _SR_PGSERR = (
    1 << 0,
    1 << 1,
    1 << 4,
    1 << 5,
    1 << 6,
    1 << 7,
)
_SR_BSY = 1 << 16
_SR_CLEARED_BY_ONES = 0xF3
_CR_PG, _CR_SER, _CR_MER, _CR_STRT, _CR_LOCK = 1 << 0, 1 << 1, 1 << 2, 1 << 16, 1 << 31
_CR_WRITABLE = 0x0301_03FF
_RDP_OFF, _RDP_ON = 0xAA, 0x55
_OPTCR_RESET = 0x0FFF_0001

# reads of the status register that find it busy: an erase takes much longer than a word
_BUSY_ERASING: Final = 2000
_BUSY_PROGRAMMING: Final = 3

KB: Final = 1024


def _sectors(size: int) -> list[range]:
    """Return each sector's offsets: 4 of 16 KB, one of 64, then 128, in each megabyte."""
    sectors: list[range] = []
    at = 0
    while at < size:
        for length in [16 * KB] * 4 + [64 * KB] + [128 * KB] * 7:
            sectors.append(range(at, at + length))
            at += length
    return sectors


class FlashController:
    """memory: what the flash holds, changed in place. read_protected: RDP level 1."""

    def __init__(
        self,
        memory: bytearray,
        *,
        read_protected: bool = False,
        write_protected: bool = False,
        stuck: StuckBit | None = None,
        never_ready: bool = False,
    ) -> None:
        self.memory = memory
        self.read_protected = read_protected
        self.write_protected = write_protected
        self._stuck = stuck
        self._never_ready = never_ready
        self._sectors = _sectors(len(memory))
        self.reset()

    def reset(self) -> None:
        """Lock again; what is in the flash stays."""
        self._keys = 0
        self._locked_out = False  # a wrong key: locked until the next reset
        self._cr = _CR_LOCK
        self._sr = 0
        self._acr = 0
        self._busy = 0

    def read_register(self, offset: int) -> int:
        """Return the register at an offset from REGISTERS_BASE."""
        match offset:
            case _Register.ACR:
                return self._acr
            case _Register.SR:
                return self._status()
            case _Register.CR:
                return self._cr
            case _Register.OPTCR:
                protection = _RDP_ON if self.read_protected else _RDP_OFF
                optcr = _OPTCR_RESET | protection << 8
                return optcr & 0xF000_FFFF if self.write_protected else optcr
        return 0

    def write_register(self, offset: int, value: int) -> None:
        """Write the register at an offset from REGISTERS_BASE."""
        match offset:
            case _Register.ACR:
                self._acr = value
            case _Register.KEYR:
                self._key(value)
            case _Register.SR:
                self._sr &= ~(value & _SR_CLEARED_BY_ONES)
            case _Register.CR:
                self._control(value)

    def program(self, address: int, value: int, size: int) -> None:
        """Do what a write of size bytes to the flash does; errors are bits of the status."""
        offset = address - FLASH_BASE
        if self._busy or self._cr & _CR_LOCK or not self._cr & _CR_PG:
            self._sr |= _SR_PGSERR
        elif self._protected:
            self._sr |= _SR_WRPERR
        elif size != 1 << (self._cr >> 8 & 3):
            self._sr |= _SR_PGPERR
        elif offset % 16 + size > 16:
            self._sr |= _SR_PGAERR
        else:
            old = int.from_bytes(self.memory[offset : offset + size], "little")
            self.memory[offset : offset + size] = (old & value).to_bytes(size, "little")
            self._keep_stuck_bit(range(offset, offset + size))
            self._work(_BUSY_PROGRAMMING)

    @property
    def _protected(self) -> bool:
        return self.write_protected or self.read_protected  # RDP with a debugger there

    def _status(self) -> int:
        if not self._busy:
            return self._sr
        if not self._never_ready:
            self._busy -= 1
        if not self._busy:
            self._sr |= _SR_EOP
        return self._sr | _SR_BSY

    def _work(self, reads: int) -> None:
        self._busy = reads

    def _key(self, value: int) -> None:
        if self._locked_out or not self._cr & _CR_LOCK:
            return
        if value != _KEYS[self._keys]:
            self._locked_out = True
            return
        self._keys += 1
        if self._keys == len(_KEYS):
            self._keys = 0
            self._cr &= ~_CR_LOCK

    def _control(self, value: int) -> None:
        if self._cr & _CR_LOCK or self._busy:
            return
        self._cr = value & _CR_WRITABLE & ~_CR_STRT
        if value & _CR_LOCK:
            self._cr |= _CR_LOCK
        elif value & _CR_STRT:
            self._erase()

    def _erase(self) -> None:
        if self._protected:
            self._sr |= _SR_WRPERR
            return
        if self._cr & _CR_MER:
            erased = range(len(self.memory))
        elif self._cr & _CR_SER:
            # SNB: sectors of the second megabyte begin at 16
            number = self._cr >> 3 & 0x1F
            index = number - 4 if number >= 16 else number
            if index >= len(self._sectors) or number in range(12, 16):
                self._sr |= _SR_OPERR
                return
            erased = self._sectors[index]
        else:
            self._sr |= _SR_PGSERR
            return
        self.memory[erased.start : erased.stop] = b"\xff" * len(erased)
        self._work(_BUSY_ERASING)

    def _keep_stuck_bit(self, written: range) -> None:
        if self._stuck is not None and self._stuck.address - FLASH_BASE in written:
            self.memory[self._stuck.address - FLASH_BASE] |= 1 << self._stuck.bit
