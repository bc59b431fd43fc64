"""STM32F0 and F1: a PLL with one multiplier, 8 MHz inside; RM0091, RM0041, RM0008, chapters RCC."""

from fractions import Fraction

from nnom_hil.boards.clocks.tree import (
    AHB_DIVIDERS,
    APB_DIVIDERS,
    ClockTree,
    bus,
    oscillator,
    wait_states,
)
from nnom_hil.boards.state import State

__all__ = ["stm32f0", "stm32f1"]

_HSI = 8_000_000
_HSI48 = 48_000_000


def stm32f0(state: State) -> ClockTree:
    """Return the tree as the registers have it now."""
    tree = _oscillators(state)
    if state.ready("RCC.CR2.HSI48RDY"):
        tree.add("HSI48", _HSI48, "internal")
    if state["RCC.CR.PLLON"]:
        divider = state["RCC.CFGR2.PREDIV"] + 1
        source, divider = (("HSI", 2), ("HSI", divider), ("HSE", divider), ("HSI48", divider))[
            state["RCC.CFGR.PLLSRC"]
        ]
        _pll(state, tree, source, divider, min(state["RCC.CFGR.PLLMUL"] + 2, 16))
    if _switched(tree, ("HSI", "HSE", "PLL", "HSI48")[state["RCC.CFGR.SW"]]):
        most = state.limit("core_hz")
        bus(tree, "core", "SYSCLK", AHB_DIVIDERS[state["RCC.CFGR.HPRE"]], most)
        bus(tree, "APB", "core", APB_DIVIDERS[state["RCC.CFGR.PPRE"]], most)
        _flash(state, tree)
    return tree


def stm32f1(state: State) -> ClockTree:
    """Return the tree as the registers have it now."""
    tree = _oscillators(state)
    if state["RCC.CR.PLLON"]:
        source, divider = "HSI", 2
        if state["RCC.CFGR.PLLSRC"]:  # the F103 has one bit of the F100's divider
            source = "HSE"
            divider = max(state["RCC.CFGR2.PREDIV1"], state["RCC.CFGR.PLLXTPRE"]) + 1
        _pll(state, tree, source, divider, min(state["RCC.CFGR.PLLMULL"] + 2, 16))
    if _switched(tree, ("HSI", "HSE", "PLL", "none")[state["RCC.CFGR.SW"]]):
        most = state.limit("core_hz")
        bus(tree, "core", "SYSCLK", AHB_DIVIDERS[state["RCC.CFGR.HPRE"]], most)
        apb1 = APB_DIVIDERS[state["RCC.CFGR.PPRE1"]]
        bus(tree, "APB1", "core", apb1, state.limit("apb1_hz"))
        bus(tree, "APB2", "core", APB_DIVIDERS[state["RCC.CFGR.PPRE2"]], most)
        _flash(state, tree)
    return tree


def _oscillators(state: State) -> ClockTree:
    tree = ClockTree()
    if state["RCC.CR.HSION"]:
        tree.add("HSI", _HSI, "internal")
    oscillator(state, tree, "RCC.CR.HSEON", "RCC.CR.HSERDY", "RCC.CR.HSEBYP")
    return tree


def _pll(state: State, tree: ClockTree, source: str, divider: int, factor: int) -> None:
    if not tree.feeds("the PLL", source):
        return
    into = tree.clocks[source] / divider
    tree.within("the PLL's input", into, state.limits("pll_in_hz"))
    hz = Fraction(into * factor)
    tree.within("the PLL", hz, state.limits("pll_hz"))
    tree.add("PLL", hz, f"{source} / {divider} * {factor}")


def _switched(tree: ClockTree, source: str) -> bool:
    if tree.feeds("the core", source):
        tree.add("SYSCLK", tree.clocks[source], source)
        return True
    return False


def _flash(state: State, tree: ClockTree) -> None:
    waits = state["FLASH.ACR.LATENCY"]
    wait_states(tree, waits, tree.clocks["SYSCLK"], state.limits("flash_hz"), "any supply")
