"""Clock trees: from register values and the board's oscillator to frequencies, a family a file."""

from collections.abc import Callable
from typing import Final

from nnom_hil.boards.clocks.fixed import fixed
from nnom_hil.boards.clocks.lm3s import lm3s
from nnom_hil.boards.clocks.nrf import nrf
from nnom_hil.boards.clocks.stm32_mnr import stm32g0, stm32g4, stm32l, stm32wb
from nnom_hil.boards.clocks.stm32f1 import stm32f0, stm32f1
from nnom_hil.boards.clocks.stm32f4 import stm32f4
from nnom_hil.boards.clocks.stm32h7 import stm32h7
from nnom_hil.boards.clocks.stm32u5 import stm32u5
from nnom_hil.boards.clocks.tree import ClockTree, megahertz
from nnom_hil.boards.state import State

__all__ = ["MODELS", "ClockTree", "megahertz"]

# What a chip file's `clocks` names.
MODELS: Final[dict[str, Callable[[State], ClockTree]]] = {
    "fixed": fixed,
    "lm3s": lm3s,
    "nrf": nrf,
    "stm32f0": stm32f0,
    "stm32f1": stm32f1,
    "stm32f4": stm32f4,
    "stm32h7": stm32h7,
    "stm32g0": stm32g0,
    "stm32g4": stm32g4,
    "stm32l": stm32l,
    "stm32u5": stm32u5,
    "stm32wb": stm32wb,
}
