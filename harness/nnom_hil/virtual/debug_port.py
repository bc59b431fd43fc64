"""The wire's other end: an SW-DP with one AHB-AP, register by register (ADIv5)."""

import struct
from enum import IntEnum
from typing import Final, Protocol

__all__ = ["BusFaultError", "DebugPort"]

_DPIDR: Final = 0x2BA0_1FFF  # Cortex-M4's SW-DP, version 1, of a designer that nobody is
_AP_IDR: Final = 0x2477_0011  # AHB-AP
_AP_BASE: Final = 0xE00F_F003

_POWER_UP_REQUESTS = 0x5000_0000


class _Dp(IntEnum):
    DPIDR = 0x0
    CTRL_STAT = 0x4
    SELECT = 0x8


class _Ap(IntEnum):
    CSW = 0x00
    TAR = 0x04
    DRW = 0x0C
    BD0 = 0x10
    BD1 = 0x14
    BD2 = 0x18
    BD3 = 0x1C
    BASE = 0xF8
    IDR = 0xFC


_CSW_DEVICE_ENABLED = 1 << 6
_PAGE: Final = 4096  # the transfer address of the Cortex-M4's AHB-AP wraps within it


class BusFaultError(Exception):
    """Nothing answers at an address, or it may not be read."""


class Bus(Protocol):
    """What is behind the access port; each may raise BusFaultError."""

    def read(self, address: int, size: int) -> int:
        """Return size bytes (1, 2 or 4) as a number."""
        ...

    def write(self, address: int, value: int, size: int) -> None:
        """Write size bytes."""
        ...

    def read_block(self, address: int, size: int) -> bytes:
        """Return bytes of one memory."""
        ...

    def write_block(self, address: int, data: bytes) -> None:
        """Write whole words."""
        ...


class DebugPort:
    """Registers only."""

    def __init__(self, chip: Bus) -> None:
        self._chip = chip
        self._control = 0
        self._select = 0
        self._csw = 2
        self._tar = 0

    def read_dp(self, register: int) -> int:
        """Read a register of the debug port: 0, 4, 8 or 12."""
        match register:
            case _Dp.DPIDR:
                return _DPIDR
            case _Dp.CTRL_STAT:
                requests = self._control & _POWER_UP_REQUESTS
                return self._control | requests << 1  # each acknowledged at once
        return 0

    def write_dp(self, register: int, value: int) -> None:
        """Write a register of the debug port."""
        match register:
            case _Dp.CTRL_STAT:
                self._control = value & 0x5000_0FFF
            case _Dp.SELECT:
                self._select = value

    def read_ap(self, register: int) -> int:
        """Read a register of the selected bank; register: its low four bits count."""
        if self._select >> 24:
            return 0  # there is one access port
        match self._select & 0xF0 | register & 0xC:
            case _Ap.CSW:
                return self._csw | _CSW_DEVICE_ENABLED
            case _Ap.TAR:
                return self._tar
            case _Ap.DRW:
                return self._transfer(None)
            case _Ap.BD0 | _Ap.BD1 | _Ap.BD2 | _Ap.BD3 as banked:
                return self._chip.read(self._tar & ~0xF | banked & 0xC, 4)
            case _Ap.BASE:
                return _AP_BASE
            case _Ap.IDR:
                return _AP_IDR
        return 0

    def write_ap(self, register: int, value: int) -> None:
        """Write a register of the selected bank."""
        if self._select >> 24:
            return
        match self._select & 0xF0 | register & 0xC:
            case _Ap.CSW:
                size = value & 7
                self._csw = value & 0xFF00_0030 | (size if size <= 2 else self._csw & 7)
            case _Ap.TAR:
                self._tar = value
            case _Ap.DRW:
                self._transfer(value)
            case _Ap.BD0 | _Ap.BD1 | _Ap.BD2 | _Ap.BD3 as banked:
                self._chip.write(self._tar & ~0xF | banked & 0xC, value, 4)

    def read_words(self, count: int) -> list[int]:
        """Read the data register count times, words from where it points."""
        words: list[int] = []
        while len(words) < count:
            some = min(count - len(words), self._words_to_wrap)
            words += struct.unpack(f"<{some}I", self._chip.read_block(self._tar, 4 * some))
            self._advance(4 * some)
        return words

    def write_words(self, values: list[int]) -> None:
        """Write the data register again and again."""
        while values:
            some, values = values[: self._words_to_wrap], values[self._words_to_wrap :]
            self._chip.write_block(self._tar, struct.pack(f"<{len(some)}I", *some))
            self._advance(4 * len(some))

    @property
    def _words_to_wrap(self) -> int:
        return (_PAGE - self._tar % _PAGE) // 4

    def _transfer(self, value: int | None) -> int:
        """Move one item; bytes sit in the lanes of their address."""
        size = 1 << (self._csw & 3)
        lane = 8 * (self._tar & 3)
        if value is None:
            result = self._chip.read(self._tar, size) << lane
        else:
            self._chip.write(self._tar, value >> lane & ((1 << 8 * size) - 1), size)
            result = 0
        if self._csw & 0x10:
            self._advance(size)
        return result

    def _advance(self, count: int) -> None:
        self._tar = self._tar & ~(_PAGE - 1) | (self._tar + count) & (_PAGE - 1)
