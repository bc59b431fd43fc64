"""Stellaris LM3S of the Fury class: a PLL of 400 MHz from one of a row of crystals; RCC only."""

from typing import Final

from nnom_hil.boards.clocks.tree import ClockTree, megahertz, oscillator
from nnom_hil.boards.state import State

__all__ = ["lm3s"]

_IOSC = 12_000_000
_PLL = 400_000_000
_CRYSTALS: Final = {  # by RCC.XTAL
    0x4: 3_579_545, 0x5: 3_686_400, 0x6: 4_000_000, 0x7: 4_096_000, 0x8: 4_915_200, 0x9: 5_000_000,
    0xA: 5_120_000, 0xB: 6_000_000, 0xC: 6_144_000, 0xD: 7_372_800, 0xE: 8_000_000, 0xF: 8_192_000,
}  # fmt: skip


def lm3s(state: State) -> ClockTree:
    """Return the tree as RCC has it now; RCC2, which overrides it, is a fault."""
    tree = ClockTree()
    if state["SYSCTL.RCC2.USERCC2"]:
        tree.faults.append("RCC2.USERCC2 is set; clocks by RCC2 are not computed")
    if not state["SYSCTL.RCC.IOSCDIS"]:
        tree.add("IOSC", _IOSC, "internal, up to 30 % off")
        tree.add("IOSC/4", _IOSC // 4, "internal, up to 30 % off")
    oscillator(state, tree, "!SYSCTL.RCC.MOSCDIS", None, None, name="MOSC")
    source = ("MOSC", "IOSC", "IOSC/4", "none")[state["SYSCTL.RCC.OSCSRC"]]
    if not tree.feeds("the core", source):
        return tree
    how, hz = source, tree.clocks[source]
    if not state["SYSCTL.RCC.PWRDN"]:
        _crystal(state, tree)
    if not state["SYSCTL.RCC.BYPASS"]:
        if source != "MOSC":
            tree.faults.append(f"the PLL runs from {source}; it needs the crystal (OSCSRC of 0)")
            return tree
        if not state.ready("SYSCTL.RIS.PLLLRIS"):
            tree.faults.append("the core is switched to the PLL before a step has waited for it")
        pll = tree.add("PLL", _PLL, f"MOSC * {float(_PLL / tree.clocks['MOSC']):.6g}")
        how, hz = "PLL / 2", pll / 2
    if state["SYSCTL.RCC.USESYSDIV"]:
        divider = state["SYSCTL.RCC.SYSDIV"] + 1
        how, hz = f"{how} / {divider}", hz / divider
    core = tree.add("core", hz, how)
    tree.within("core", core, [0, state.limit("core_hz")])
    return tree


def _crystal(state: State, tree: ClockTree) -> None:
    chosen = _CRYSTALS.get(state["SYSCTL.RCC.XTAL"], 0)
    board = state.board.clock.oscillator_hz or 0
    if "MOSC" in tree.clocks and chosen != board:
        tree.faults.append(
            f"RCC.XTAL is for a crystal of {megahertz(chosen)}; the board's has {megahertz(board)}"
        )
