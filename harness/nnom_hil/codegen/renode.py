"""A Renode platform description of a board: what the firmware needs of the hardware, as text."""

from typing import Final

from nnom_hil.boards import Board, Cpu
from nnom_hil.boards.schema import Region
from nnom_hil.errors import BoardError

__all__ = ["CONSOLE", "MIPS", "platform_description"]

CONSOLE: Final = "console"
"""The console's name in the description."""
MIPS: Final = 1000
"""Instructions per microsecond of Renode's time that the description is made for.

Renode counts whole nanoseconds. One instruction is one of them, and SysTick is as much faster as
the board's core is slower: so its ticks are whole instructions, and times repeat exactly.
"""

_CPU_TYPES: Final = {
    Cpu.CORTEX_M0: "cortex-m0",
    Cpu.CORTEX_M0PLUS: "cortex-m0+",
    Cpu.CORTEX_M3: "cortex-m3",
    Cpu.CORTEX_M4: "cortex-m4",
    Cpu.CORTEX_M7: "cortex-m7",
    Cpu.CORTEX_M23: "cortex-m23",
    Cpu.CORTEX_M33: "cortex-m33",
    Cpu.CORTEX_M55: "cortex-m55",
}
_COUNTERLESS: Final = {Cpu.CORTEX_M0, Cpu.CORTEX_M0PLUS, Cpu.CORTEX_M23}
_PAGE: Final = 1024
_UARTS: Final = {
    # no size of its own: it gets one. 1 Hz: at any other rate it notes the end of each byte's time,
    # in a list that 1.15 walks for every byte; later versions would deliver bytes at that rate
    "stm32_usart": ("UART.STM32_UART", 0x100, ("frequency: 1",)),
    "stm32_usart_v2": ("UART.STM32F7_USART", None, ("frequency: {clock_hz}",)),
    "stm32_lpuart": ("UART.STM32F7_USART", None, ("frequency: {clock_hz}", "lowPowerMode: true")),
    "nrf_uart": ("UART.NRF52840_UART", None, ()),
    "pl011": ("UART.PL011", None, ()),
}
"""Renode's model of what each UART driver drives, the bytes it takes, its properties."""


def platform_description(board: Board) -> str:
    """Return the text of a .repl file.

    Registers that the description lacks read as 0 in Renode, and each access is a warning; those
    that the board's start-up waits for read as it expects.
    Raises BoardError where Renode is not known to have a model of the UART.
    """
    console, core, memory = board.console, board.core, board.memory
    renode = board.backend.renode
    if console.driver not in _UARTS:
        raise BoardError(
            f"board {board.name}: no Renode model is known for driver = {console.driver!r} in "
            "[console]; name a platform and its uart in [backend.renode]"
        )
    model, size, properties = _UARTS[console.driver]
    place = f"0x{console.base:08X}"
    systick_hz = board.clock.core_hz * MIPS // (renode.mips if renode else MIPS)
    cpu_type = _CPU_TYPES[core.cpu] + ("f" if core.cpu is Cpu.CORTEX_M4 and core.fpu else "")
    lines = [
        f"// {board.title}: made by nnom-hil from the board file",
        "nvic: IRQControllers.NVIC @ sysbus 0xE000E000",
        f"    systickFrequency: {systick_hz}",
        "    IRQ -> cpu@0",
        *_cycle_counter(core.cpu, systick_hz),
        "",
        "cpu: CPU.CortexM @ sysbus",
        f'    cpuType: "{cpu_type}"',
        "    nvic: nvic",
        "",
        *_memory("flash", memory.flash),
        "",
        *_memory("ram", memory.ram),
        "",
        f"{CONSOLE}: {model} @ sysbus " + (place if size is None else f"<{place}, +0x{size:X}>"),
        *(f"    {line.format(clock_hz=console.clock_hz)}" for line in properties),
        f"    IRQ -> nvic@{console.irq}",  # named: some models have more than one output
        *_tags(board),
    ]
    return "\n".join(lines) + "\n"


def _cycle_counter(cpu: Cpu, hz: int) -> list[str]:
    """Return the core's own counter, at SysTick's rate, where the core has one."""
    if cpu in _COUNTERLESS:
        return []
    return ["", "dwt: Miscellaneous.DWT @ sysbus 0xE0001000", f"    frequency: {hz}"]


def _memory(name: str, region: Region) -> list[str]:
    """Return a memory of whole pages, which are all that Renode maps: it may begin below."""
    start = region.origin // _PAGE * _PAGE
    size = -(-region.end // _PAGE) * _PAGE - start
    return [f"{name}: Memory.MappedMemory @ sysbus 0x{start:08X}", f"    size: 0x{size:X}"]


def _tags(board: Board) -> list[str]:
    """Return what makes the registers that start-up waits for read as it expects.

    All that is waited for in one register is there at once: clocks stay ready.
    """
    expected: dict[int, int] = {}
    for step in board.startup.steps:
        if step.wait is not None and step.bits is not None:
            value = step.bits if step.value is None else step.value
            expected[step.wait] = expected.get(step.wait, 0) | value
    tags = [
        f'        Tag <0x{register:08X}, 0x{register + 3:08X}> "waited_for" 0x{value:08X}'
        for register, value in expected.items()
    ]
    return ["", "sysbus:", "    init:", *tags] if tags else []
