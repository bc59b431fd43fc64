"""Whether the pins of a console are its UART's after start-up; one function a kind of pins."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from nnom_hil.boards.chip import Uart
from nnom_hil.boards.state import State

__all__ = ["MODELS"]

_ALTERNATE = 2


def _pins(state: State, uart: Uart) -> Iterator[tuple[str, str, int]]:
    """Yield the console's pins that the UART can have, with what selects it there.

    The others are told by examine().
    """
    console = state.board.console
    for key, pin, choices in (("tx", console.tx, uart.tx), ("rx", console.rx, uart.rx)):
        if pin is not None and pin in choices:
            yield key, pin, choices[pin]


def _none(_state: State, _name: str, _uart: Uart) -> list[str]:
    return []


def _stm32(state: State, name: str, uart: Uart) -> list[str]:
    """MODER and AFR of all STM32 but the F1."""
    faults = []
    for key, pin, choice in _pins(state, uart):
        port, number = f"GPIO{pin[1]}", int(pin[2:])
        mode = f"{port}.MODER.MODE{number}"
        if state[mode] != _ALTERNATE:
            faults.append(f"{key} = {pin}: {mode} is {state[mode]} after the steps; 2 is alternate")
            continue
        function = f"{port}.AFR{'H' if number > 7 else 'L'}.AFSEL{number}"
        if state[function] != choice:
            faults.append(
                f"{key} = {pin}: {function} is {state[function]} after the steps; {name} has "
                f"AF{choice} there"
            )
    return faults


def _stm32f1(state: State, name: str, uart: Uart) -> list[str]:
    """CRL, CRH and the remap field of the STM32F1."""
    faults = []
    for key, pin, choice in _pins(state, uart):
        number = int(pin[2:])
        register = f"GPIO{pin[1]}.CR{'H' if number > 7 else 'L'}"
        mode, kind = state[f"{register}.MODE{number}"], state[f"{register}.CNF{number}"]
        right = mode and kind == 2 if key == "tx" else not mode and kind in (1, 2)
        if not right:
            wanted = "an alternate output: MODE 1 to 3, CNF 2" if key == "tx" else (
                "an input: MODE 0, CNF 1 or 2"
            )  # fmt: skip
            faults.append(
                f"{key} = {pin}: {register} has MODE{number}={mode} CNF{number}={kind} after the "
                f"steps; {name} needs {wanted}"
            )
        if uart.remap is not None and state[uart.remap] != choice:
            faults.append(
                f"{key} = {pin}: {uart.remap} is {state[uart.remap]} after the steps; "
                f"{choice} gives {name} this pin"
            )
    return faults


def _nrf(state: State, name: str, uart: Uart) -> list[str]:
    """PSEL registers, which take any pin, and the pins' own configuration."""
    console = state.board.console
    faults = []
    for key, pin, output in (("tx", console.tx, 1), ("rx", console.rx, 0)):
        found = re.fullmatch(r"P([01])\.(\d\d)", pin or "")
        if found is None:
            faults += [f"{key} = {pin} is no pin; P0.00 to P1.31 are"] if pin else []
            continue
        port, number = int(found[1]), int(found[2])
        register = f"{name}.PSEL{key.upper()}D"
        chosen = 32 * state[f"{register}.PORT"] + state[f"{register}.PIN"]
        if state[f"{register}.CONNECT"] or chosen != 32 * port + number:
            faults.append(f"{key} = {pin}: {register} does not select it after the steps")
        config = f"P{port}.PIN_CNF{number}"
        if state[f"{config}.DIR"] != output or state[f"{config}.INPUT"]:
            wanted = "an output" if output else "an input"
            faults.append(f"{key} = {pin}: {config} is not {wanted} with its buffer connected")
    return faults


def _lm3s(state: State, _name: str, uart: Uart) -> list[str]:
    """AFSEL and DEN; each UART has its pins."""
    return [
        f"{key} = {pin}: {field} is 0 after the steps: {state.how(field)}"
        for key, pin, _ in _pins(state, uart)
        for field in (f"GPIO{pin[1]}.AFSEL.PIN{pin[2:]}", f"GPIO{pin[1]}.DEN.PIN{pin[2:]}")
        if not state[field]
    ]


# What a chip file's `pins` names.
MODELS: Final[dict[str, Callable[[State, str, Uart], list[str]]]] = {
    "lm3s": _lm3s,
    "none": _none,
    "nrf": _nrf,
    "stm32": _stm32,
    "stm32f1": _stm32f1,
}
