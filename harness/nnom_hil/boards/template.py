"""A commented board file to start from."""

from textwrap import wrap
from typing import Final

__all__ = ["board_template"]

_TEMPLATE: Final = """\
# What the board is, and where its clock comes from.
schema = "nnom-hil/board/1"
name = "@NAME@" # the file's name without .toml
title = "@NAME@ (Cortex-M4F)"
# With a chip that is known, `boards check` computes the clocks and compares everything:@CHIPS@
# chip = "stm32f407vg"

[core]
cpu = "cortex-m4" # cortex-m0, m0plus, m3, m4, m7, m23, m33, m55, as GCC spells them
fpu = "fpv4-sp-d16" # GCC's -mfpu; remove the line where there is none

[clock]
core_hz = 168_000_000 # after [startup]; whole megahertz
# oscillator_hz = 8_000_000 # the board's crystal, or with bypass = true a clock that comes in

[memory.flash]
origin = 0x0800_0000
length = 0x0010_0000

[memory.ram]
origin = 0x2000_0000
length = 0x0002_0000

[console]
driver = "stm32_usart" # a file of firmware/platform/uart: @UARTS@
base = 0x4000_4400 # the UART's first register
irq = 38 # its interrupt's number
clock_hz = 42_000_000 # what its baud rate is divided from
baud = 115_200
tx = "PA2" # for people; [startup] selects the pins
rx = "PA3"

[time]
driver = "systick" # a file of firmware/platform/time: @TIMES@

# Before main: clock tree, power, pins. Each step names one register:
#   { write = R, value = V }   { set = R, bits = B }   { clear = R, bits = B }
#   { modify = R, bits = B, value = V }   the bits B become V
#   { wait = R, bits = B }   until all are set, or with value = V until they are V; bounded
# An emulator may need none of them: remove what the hardware does not need either.
[startup]
steps = [
    { set = 0x4002_3840, bits = 0x0002_0000 }, # RCC_APB1ENR: USART2EN
]

# One table for each back end that can run the board; at least one.
[backend.qemu]
machine = "netduinoplus2" # qemu-system-arm -machine help
icount_shift = 3 # 2^n ns of virtual time an instruction: near 1.25 cycles
serial = 1 # which of the machine's serial ports, from 0

[backend.renode]
mips = 168 # instructions per microsecond of virtual time
# A description that Renode brings, and the console's name there; without, one is made from
# this file:
# platform = "platforms/cpus/stm32f4.repl"
# uart = "usart2"

[backend.probe]
target = "stm32f407vgtx" # pyocd list --targets, or pyocd pack find
pack = "Keil.STM32F4xx_DFP" # the CMSIS-Pack that has it; remove where pyOCD has it itself
# What is read before anything is flashed: the chip's id, and whether its flash is open.
id = { address = 0xE004_2000, bits = 0x0FFF, value = 0x413 }
unlocked = { address = 0x4002_3C14, bits = 0xFF00, value = 0xAA00 }
usb = ["0483:374b"] # vendor and product of the probe on the board; lsusb
# Where there is none, or none that pyOCD opens:
# needs = "a probe at SWDIO and SWCLK, and a serial adapter at PA2 and PA3"

# Where the numbers are from, a line a table: memory, clock, console, startup, the back ends.
[sources]
# console = "reference manual, chapter 30"
"""


def board_template(name: str, *, uarts: list[str], times: list[str], chips: list[str]) -> str:
    """Return a valid board file with every key explained.

    uarts, times: the drivers there are; chips: those whose facts are known.
    """
    return (
        _TEMPLATE.replace("@NAME@", name)
        .replace("@UARTS@", ", ".join(uarts))
        .replace("@TIMES@", ", ".join(times))
        .replace("@CHIPS@", "\n# ".join(["", *wrap(", ".join(chips), 96)]))
    )
