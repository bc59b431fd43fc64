"""A board compared with its chip: steps, clocks, console, pins, memories, id."""

from dataclasses import dataclass

from nnom_hil.boards import pins
from nnom_hil.boards.baud import baud_fault
from nnom_hil.boards.board import Board
from nnom_hil.boards.chip import Chip, Uart
from nnom_hil.boards.clocks import MODELS, ClockTree, megahertz
from nnom_hil.boards.schema import Region
from nnom_hil.boards.state import State, decode, register_of

__all__ = ["Examination", "examine", "examine_alone"]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """steps: each decoded. tree: the clocks after them; None where start-up is an emulator's.

    faults: everything that is wrong.
    """

    steps: tuple[str, ...]
    tree: ClockTree | None
    faults: tuple[str, ...]


def examine(board: Board, chip: Chip) -> Examination:
    """Return what a board's steps do, and all that does not agree with the chip's facts."""
    faults = [*examine_alone(board), *_core(board, chip), *_memories(board, chip)]
    faults += _id(board, chip)
    uart = chip.uart_at(board.console.base)
    if uart is None:
        known = ", ".join(
            f"{name} 0x{chip.facts.peripherals[name].base:08X}" for name in chip.facts.uarts
        )
        faults.append(
            f"base = 0x{board.console.base:08X} in [console] is no UART of {chip.name}: {known}"
        )
    else:
        faults += _console(board, chip, *uart)
    steps: list[str] = []
    tree = None
    if board.startup.steps or board.backend.probe is not None or not chip.registers:
        state = State(chip, board)
        tree, found = _carry_out(state, steps)
        faults += found
        faults += _clocks(state, tree, uart)
    return Examination(steps=tuple(steps), tree=tree, faults=tuple(faults))


def examine_alone(board: Board) -> list[str]:
    """Return what is wrong with a board whatever its chip is."""
    console = board.console
    fault = baud_fault(console.driver, console.clock_hz, console.baud)
    return [f"{fault} (in [console])"] if fault else []


def _carry_out(state: State, steps: list[str]) -> tuple[ClockTree, list[str]]:
    """Carry out all steps; return the clocks after them and each fault where it first shows."""
    faults: list[str] = []
    model = MODELS[state.chip.facts.clocks]
    tree = model(state)
    at_reset, seen = tree.faults, set(tree.faults)
    for number, step in enumerate(state.board.startup.steps, 1):
        kind, address = register_of(step)
        register = state.chip.at(address)
        name = f"0x{address:08X}" if register is None else register.path
        fields = "?" if register is None else decode(step, register)
        steps.append(f"{number:3}  {kind:6} {name:16} {fields}")
        found = state.apply(step)
        state.previous = tree.clocks
        tree = model(state)
        found += [fault for fault in tree.faults if fault not in seen]
        seen |= set(tree.faults)
        faults += [f"step {number} ({name}): {fault}" for fault in found]
    faults += [fault for fault in at_reset if fault in tree.faults]
    for path, value in state.chip.facts.after.items():
        if state[path] != value:
            faults.append(f"{path} is {state[path]} after the steps; it must be {value}")
    return tree, faults


def _core(board: Board, chip: Chip) -> list[str]:
    core, has = board.core, chip.facts.core
    faults = []
    if core.cpu is not has.cpu:
        faults.append(f"cpu = {core.cpu.value!r} in [core]: {chip.name} has a {has.cpu.value}")
    elif core.fpu not in (None, has.fpu):
        faults.append(f"fpu = {core.fpu!r} in [core]: {chip.name} has {has.fpu or 'none'}")
    return faults


def _memories(board: Board, chip: Chip) -> list[str]:
    faults = []
    for kind, region, banks in (
        ("flash", board.memory.flash, chip.facts.memory.flash),
        ("ram", board.memory.ram, chip.facts.memory.ram),
    ):
        runs = _joined(banks)
        if not any(r.origin <= region.origin and region.end <= r.end for r in runs):
            have = ", ".join(f"0x{r.origin:08X} to 0x{r.end - 1:08X}" for r in runs)
            faults.append(
                f"0x{region.origin:08X} to 0x{region.end - 1:08X} in [memory.{kind}]: "
                f"{chip.name} has {have}"
            )
    return faults


def _joined(banks: list[Region]) -> list[Region]:
    """Return banks with those that follow each other as one."""
    runs: list[Region] = []
    for bank in sorted(banks, key=lambda b: b.origin):
        if runs and runs[-1].end == bank.origin:
            runs[-1] = Region(origin=runs[-1].origin, length=runs[-1].length + bank.length)
        else:
            runs.append(bank)
    return runs


def _id(board: Board, chip: Chip) -> list[str]:
    probe = board.backend.probe
    if probe is None:
        return []
    faults = []
    for key, says, has in (
        ("id", probe.id, chip.facts.id),
        ("unlocked", probe.unlocked, chip.facts.unlocked),
    ):
        if says is None or has is None:
            continue
        wrong = says.bits & ~has.bits or (says.value ^ has.value) & says.bits
        if says.address != has.address or wrong:
            faults.append(
                f"{key} = {says} in [backend.probe]: {chip.name} has {has} (bits 0x{has.bits:X})"
            )
    return faults


def _console(board: Board, chip: Chip, name: str, uart: Uart) -> list[str]:
    console = board.console
    faults = []
    if console.irq != uart.irq:
        faults.append(f"irq = {console.irq} in [console]: {name} of {chip.name} has {uart.irq}")
    if console.driver != uart.driver:
        faults.append(f"driver = {console.driver!r} in [console]: {name} needs {uart.driver!r}")
    for key, pin, known in (("tx", console.tx, uart.tx), ("rx", console.rx, uart.rx)):
        if pin is not None and known and pin not in known:
            faults.append(
                f"{key} = {pin!r} in [console] is no {key.upper()} of {name}: {', '.join(known)}"
            )
    return faults


def _clocks(state: State, tree: ClockTree, found: tuple[str, Uart] | None) -> list[str]:
    board = state.board
    faults = _differs("core_hz", "clock", board.clock.core_hz, tree, "core")
    if found is None:
        return faults
    name, uart = found
    source = uart.clock
    if isinstance(source, list):
        choice = state[source[0]] + 1
        source = source[choice] if choice < len(source) else "none"
    faults += _differs("clock_hz", "console", board.console.clock_hz, tree, source, name)
    faults += [
        f"{name} has no clock after the steps: {state.how(path)}"
        for path in state.chip.facts.peripherals[name].on
        if not state[path]
    ]
    return faults + pins.MODELS[state.chip.facts.pins](state, name, uart)


def _differs(
    key: str, table: str, stated: int, tree: ClockTree, clock: str, user: str = ""
) -> list[str]:
    """Say where a stated frequency is not the one of a clock; user: the UART that has it."""
    hz = tree.clocks.get(clock)
    if hz == stated:
        return []
    has = f"{user} has {clock}; " if user else ""
    if hz is None:
        really = f"after the steps there is none ({has}running: {', '.join(tree.clocks)})"
    else:
        really = f"the steps make it {megahertz(hz)} ({has}{tree.chain(clock)})"
    return [f"{key} = {stated} ({megahertz(stated)}) in [{table}]: {really}"]
