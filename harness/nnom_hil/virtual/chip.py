"""The chip behind the probe: its memory map, its core's debug registers, its flash.

While it is halted, or runs code from its RAM as a flash algorithm is, the core is Unicorn's. When
it is let go in its flash, at its reset vector, the firmware runs in QEMU and the debugger sees of
it only whether it runs: its registers and its RAM are QEMU's.
"""

import struct
from collections.abc import Callable
from enum import Enum, IntEnum, auto
from typing import Any, Final, Protocol

import unicorn
from unicorn import arm_const

from nnom_hil.virtual.debug_port import BusFaultError
from nnom_hil.virtual.flash_controller import (
    FLASH_BASE,
    REGISTERS_BASE,
    REGISTERS_END,
    FlashController,
)

__all__ = ["Chip", "Firmware"]

_RAM_BASE: Final = 0x2000_0000
_RAM_BYTES: Final = 256 * 1024
_PERIPHERALS_BASE: Final = 0x4000_0000
_PERIPHERALS_BYTES: Final = 0x0008_0000
_REVISION: Final = 0x1007_0000
_SCS_BASE: Final = 0xE000_E000
_ROM_TABLE: Final = 0xE00F_F000


# debug registers: Armv7-M ARM, C1.6
class _Scs(IntEnum):
    AIRCR = 0xE000_ED0C
    DFSR = 0xE000_ED30
    DHCSR = 0xE000_EDF0
    DCRSR = 0xE000_EDF4
    DCRDR = 0xE000_EDF8
    DEMCR = 0xE000_EDFC
    DBGMCU_IDCODE = 0xE004_2000  # behind the system control space, ST's own


_DBGKEY, _AIRCR_KEY = 0xA05F, 0x05FA
_C_DEBUGEN, _C_HALT = 1 << 0, 1 << 1
_S_REGRDY, _S_HALT, _S_LOCKUP, _S_RESET_ST = 1 << 16, 1 << 17, 1 << 19, 1 << 25
_DFSR_HALTED, _DFSR_BKPT, _DFSR_VCATCH = 1 << 0, 1 << 1, 1 << 3
_VC_CORERESET = 1 << 0
_SYSRESETREQ, _VECTRESET = 1 << 2, 1 << 0
_WRITES: Final = 1 << 16  # DCRSR.REGWnR

# of an algorithm, each time the debugger asks for the core's state
_INSTRUCTIONS_A_LOOK: Final = 2_000_000

# identification registers of CoreSight components (ADIv5, D1), by offset from 0xFD0
_SCS_ID: Final = (4, 0, 0, 0, 0x0C, 0xB0, 0x0B, 0, 0x0D, 0xE0, 0x05, 0xB1)
_ROM_TABLE_ID: Final = (4, 0, 0, 0, 0xC4, 0xB4, 0x0B, 0, 0x0D, 0x10, 0x05, 0xB1)
_FIXED: Final = {
    0xE000_ED00: 0x410F_C241,  # CPUID: Cortex-M4 r0p1
    0xE000_EF40: 0x1011_0021,  # MVFR0: single precision
    0xE000_EF44: 0x1100_0011,  # MVFR1
    0xE000_ED90: 0x0000_0800,  # MPU_TYPE: 8 regions
    0xE000_ED6C: 0x0111_1110,  # ID_ISAR3
    _ROM_TABLE: (_SCS_BASE - _ROM_TABLE) & 0xFFFF_F000 | 3,
    _ROM_TABLE + 0xFCC: 1,  # MEMTYPE: the system's memory is reached here
    **{_SCS_BASE + 0xFD0 + 4 * i: value for i, value in enumerate(_SCS_ID)},
    **{_ROM_TABLE + 0xFD0 + 4 * i: value for i, value in enumerate(_ROM_TABLE_ID)},
}

_REGISTERS: Final[dict[int, int]] = {
    **{i: getattr(arm_const, f"UC_ARM_REG_R{i}") for i in range(13)},
    13: arm_const.UC_ARM_REG_SP,
    14: arm_const.UC_ARM_REG_LR,
    15: arm_const.UC_ARM_REG_PC,
    16: arm_const.UC_ARM_REG_XPSR,
    17: arm_const.UC_ARM_REG_MSP,
    18: arm_const.UC_ARM_REG_PSP,
}


class Firmware(Protocol):
    """What runs the flash's contents from reset."""

    def boot(self, flash: bytes) -> None:
        """Start anew with these contents."""
        ...

    def pause(self) -> None:
        """Hold it where it is."""
        ...

    def go_on(self) -> None:
        """Let it go from there."""
        ...

    def off(self) -> None:
        """End it; twice is fine."""
        ...


class _State(Enum):
    HALTED = auto()
    ALGORITHM = auto()  # runs in Unicorn, a stretch each time it is asked for
    FIRMWARE = auto()
    LOCKUP = auto()


class Chip:
    """An STM32F4 as its debug port's memory access port sees it. id_code: DBGMCU's DEV_ID."""

    def __init__(self, flash: FlashController, firmware: Firmware, *, id_code: int) -> None:
        self._flash = flash
        self._firmware = firmware
        self._id_code = id_code
        self._scs: dict[int, int] = {}
        self._registers: dict[int, int] = {}  # peripherals that only keep what is written
        self._other: dict[int, int] = {}  # core registers that nothing here uses
        self._reset_seen = False
        self._paused = False  # halted while the firmware ran
        self._state = _State.HALTED
        self._core = self._make_core()
        self._after_reset()

    # ---- the bus, as the debugger sees it

    def read(self, address: int, size: int) -> int:
        """Return size bytes (1, 2 or 4) as a number; raises BusFaultError."""
        if address >= _SCS_BASE:
            return self._system(address & ~3) >> 8 * (address & 3) & ((1 << 8 * size) - 1)
        return int.from_bytes(self.read_block(address, size), "little")

    def read_block(self, address: int, size: int) -> bytes:
        """Return bytes of one memory; raises BusFaultError."""
        end = address + size
        if address >= FLASH_BASE and end <= FLASH_BASE + len(self._flash.memory):
            if self._flash.read_protected:
                raise BusFaultError(f"{address:#010x}: the flash is protected from reading")
            offset = address - FLASH_BASE
            return bytes(self._flash.memory[offset : offset + size])
        if address >= _RAM_BASE and end <= _RAM_BASE + _RAM_BYTES:
            return bytes(self._core.mem_read(address, size))
        if address >= _PERIPHERALS_BASE and end <= _PERIPHERALS_BASE + _PERIPHERALS_BYTES:
            words = range(address & ~3, end, 4)
            data = b"".join(struct.pack("<I", self._peripheral(word)) for word in words)
            return data[address & 3 :][:size]
        if address >= _SCS_BASE:
            return struct.pack(f"<{size // 4}I", *(self._system(a) for a in range(address, end, 4)))
        raise BusFaultError(f"{address:#010x}: nothing is there")

    def write(self, address: int, value: int, size: int) -> None:
        """Write size bytes (1, 2 or 4); raises BusFaultError."""
        end = address + size
        if address >= _RAM_BASE and end <= _RAM_BASE + _RAM_BYTES:
            self._core.mem_write(address, value.to_bytes(size, "little"))
        elif address >= FLASH_BASE and end <= FLASH_BASE + len(self._flash.memory):
            self._flash.program(address, value, size)
        elif address >= _PERIPHERALS_BASE and end <= _PERIPHERALS_BASE + _PERIPHERALS_BYTES:
            self._write_peripheral(address, value)
        elif address >= _SCS_BASE:
            self._write_system(address, value)
        else:
            raise BusFaultError(f"{address:#010x}: nothing is there")

    def write_block(self, address: int, data: bytes) -> None:
        """Write whole words."""
        if address >= _RAM_BASE and address + len(data) <= _RAM_BASE + _RAM_BYTES:
            self._core.mem_write(address, data)
            return
        for i, (word,) in enumerate(struct.iter_unpack("<I", data)):
            self.write(address + 4 * i, word, 4)

    # ---- power and reset

    def reset(self) -> None:
        """Do what the reset pin and AIRCR.SYSRESETREQ do; debug settings survive."""
        self._firmware.off()
        self._flash.reset()
        self._registers.clear()
        self._reset_seen = True
        self._after_reset()
        catches = self._scs.get(_Scs.DEMCR, 0) & _VC_CORERESET and self._debugging
        if catches:
            self._halted_by(_DFSR_VCATCH)
        else:
            self._run()

    def power_on(self) -> None:
        """Reset without a debugger."""
        self._scs.clear()
        self.reset()

    def power_off(self) -> None:
        """Stop what runs."""
        self._firmware.off()
        self._state = _State.HALTED

    def _after_reset(self) -> None:
        self._paused = False
        stack, entry = struct.unpack_from("<II", self._flash.memory)
        for register in range(15):
            self._core.reg_write(_REGISTERS[register], 0)
        self._core.reg_write(arm_const.UC_ARM_REG_MSP, stack & ~3)
        self._core.reg_write(arm_const.UC_ARM_REG_SP, stack & ~3)
        self._core.reg_write(arm_const.UC_ARM_REG_LR, 0xFFFF_FFFF)
        self._core.reg_write(arm_const.UC_ARM_REG_PC, entry & ~1)
        self._core.reg_write(arm_const.UC_ARM_REG_XPSR, 0x0100_0000)

    # ---- peripherals

    def _peripheral(self, address: int) -> int:
        if REGISTERS_BASE <= address < REGISTERS_END:
            return self._flash.read_register(address - REGISTERS_BASE)
        return self._registers.get(address, 0)

    def _write_peripheral(self, address: int, value: int) -> None:
        if REGISTERS_BASE <= address < REGISTERS_END:
            self._flash.write_register(address - REGISTERS_BASE, value)
        else:
            self._registers[address & ~3] = value

    # ---- the private peripheral bus

    @property
    def _debugging(self) -> bool:
        return bool(self._scs.get(_Scs.DHCSR, 0) & _C_DEBUGEN)

    def _system(self, address: int) -> int:
        if address in _FIXED:
            return _FIXED[address]
        match address:
            case _Scs.DBGMCU_IDCODE:
                return _REVISION | self._id_code
            case _Scs.DHCSR:
                return self._status()
            case _Scs.AIRCR:
                return 0xFA05_0000
        return self._scs.get(address, 0)

    def _status(self) -> int:
        if self._state is _State.ALGORITHM:
            self._run_algorithm()
        status = self._scs.get(_Scs.DHCSR, 0) & 0xFFFF | _S_REGRDY
        if self._state is _State.HALTED:
            status |= _S_HALT | _C_HALT
        if self._state is _State.LOCKUP:
            status |= _S_LOCKUP
        if self._reset_seen:
            status |= _S_RESET_ST
            self._reset_seen = False
        return status

    def _write_system(self, address: int, value: int) -> None:
        match address:
            case _Scs.DHCSR:
                if value >> 16 == _DBGKEY:
                    self._control(value & 0xFFFF)
            case _Scs.DCRSR:
                self._transfer_register(value)
            case _Scs.AIRCR:
                if value >> 16 == _AIRCR_KEY and value & (_SYSRESETREQ | _VECTRESET):
                    self.reset()
            case _Scs.DFSR:
                self._scs[_Scs.DFSR] = self._scs.get(_Scs.DFSR, 0) & ~value
            case _:
                self._scs[address] = value

    def _control(self, value: int) -> None:
        self._scs[_Scs.DHCSR] = value & ~_C_HALT
        halt = bool(value & _C_HALT and value & _C_DEBUGEN)
        if halt and self._state is not _State.HALTED:
            if self._state is _State.FIRMWARE:
                self._firmware.pause()
                self._paused = True
            self._halted_by(_DFSR_HALTED)
        elif not halt and self._state is _State.HALTED:
            self._run()

    def _halted_by(self, reason: int) -> None:
        self._state = _State.HALTED
        self._scs[_Scs.DFSR] = self._scs.get(_Scs.DFSR, 0) | reason

    def _transfer_register(self, request: int) -> None:
        number = request & 0x7F
        register = _REGISTERS.get(number)
        if request & _WRITES:
            value = self._scs.get(_Scs.DCRDR, 0)
            self._forget_firmware()
            if register is None:
                self._other[number] = value
            else:
                self._core.reg_write(register, value)
        elif register is None:
            self._scs[_Scs.DCRDR] = self._other.get(number, 0)
        else:
            self._scs[_Scs.DCRDR] = self._core.reg_read(register)

    def _forget_firmware(self) -> None:
        """The debugger changes the core: where the firmware was cannot be gone back to."""
        if self._paused:
            self._firmware.off()
            self._paused = False

    # ---- running

    def _run(self) -> None:
        if self._paused:
            self._paused = False
            self._state = _State.FIRMWARE
            self._firmware.go_on()
            return
        pc = self._core.reg_read(arm_const.UC_ARM_REG_PC)
        stack, entry = struct.unpack_from("<II", self._flash.memory)
        if _RAM_BASE <= pc < _RAM_BASE + _RAM_BYTES:
            self._state = _State.ALGORITHM
        elif entry == 0xFFFF_FFFF or stack == 0xFFFF_FFFF or pc != entry & ~1:
            self._state = _State.LOCKUP
        else:
            self._state = _State.FIRMWARE
            self._firmware.boot(bytes(self._flash.memory))

    def _run_algorithm(self) -> None:
        pc = self._core.reg_read(arm_const.UC_ARM_REG_PC)
        try:
            self._core.emu_start(pc | 1, 0, count=_INSTRUCTIONS_A_LOOK)
        except unicorn.UcError:
            self._state = _State.LOCKUP

    def _on_interrupt(self, core: Any, number: int, _data: object) -> None:
        core.emu_stop()
        if number == 7:  # BKPT, by QEMU's numbering of exceptions
            self._halted_by(_DFSR_BKPT)
        else:
            self._state = _State.LOCKUP

    def _make_core(self) -> Any:
        core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        core.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        core.mem_map(_RAM_BASE, _RAM_BYTES)
        self._map(core, FLASH_BASE, len(self._flash.memory), self._flash_read, self._flash.program)
        self._map(
            core,
            _PERIPHERALS_BASE,
            _PERIPHERALS_BYTES,
            self._peripheral,
            lambda address, value, _size: self._write_peripheral(address, value),
        )
        core.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        return core

    def _flash_read(self, address: int) -> int:
        at = address - FLASH_BASE
        return int.from_bytes(self._flash.memory[at : at + 4], "little")

    @staticmethod
    def _map(
        core: Any,
        base: int,
        length: int,
        read: Callable[[int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        def on_read(_core: Any, offset: int, size: int, _data: object) -> int:
            return read(base + offset) & ((1 << 8 * size) - 1)

        def on_write(_core: Any, offset: int, size: int, value: int, _data: object) -> None:
            write(base + offset, value & ((1 << 8 * size) - 1), size)

        core.mmio_map(base, length, on_read, None, on_write, None)
