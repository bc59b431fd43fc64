"""nRF51 and nRF52: a fixed core clock, exact enough for a UART once the crystal runs."""

from nnom_hil.boards.clocks.tree import ClockTree, oscillator
from nnom_hil.boards.state import State

__all__ = ["nrf"]


def nrf(state: State) -> ClockTree:
    """Return the tree; "UART" is there only when a step has waited for the crystal."""
    tree = ClockTree()
    started = "CLOCK.TASKS_HFCLKSTART.TRIGGER"
    oscillator(state, tree, started, "CLOCK.EVENTS_HFCLKSTARTED.SEEN", None, name="HFXO")
    core = state.limit("core_hz")
    if "HFXO" not in tree.clocks:
        tree.add("core", core, "internal, up to 6 % off")
        return tree
    crystal, uart = tree.clocks["HFXO"], state.limit("uart_hz")
    tree.add("core", core, f"HFXO * {core / crystal}")
    tree.add("UART", uart, f"HFXO / {crystal / uart}")
    return tree
