"""Chips whose clocks no register changes: FPGA images, cores on one oscillator."""

from nnom_hil.boards.clocks.tree import ClockTree
from nnom_hil.boards.state import State

__all__ = ["fixed"]


def fixed(state: State) -> ClockTree:
    """Return the core's and the UARTs' clock, as the chip's limits name them."""
    tree = ClockTree()
    tree.add("core", state.limit("core_hz"), "fixed")
    tree.add("UART", state.limit("uart_hz"), "fixed")
    return tree
