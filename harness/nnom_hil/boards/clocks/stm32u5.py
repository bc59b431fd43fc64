"""STM32U5: PLL1 with M, N, R; the core voltage's booster; RM0456 chapters 10 (PWR), 11 (RCC)."""

from nnom_hil.boards.clocks.tree import (
    AHB_DIVIDERS,
    APB_DIVIDERS,
    ClockTree,
    bus,
    by_way_of_half,
    megahertz,
    oscillator,
    wait_states,
)
from nnom_hil.boards.state import State

__all__ = ["stm32u5"]

_HSI = 16_000_000
_MSI = (
    48_000_000, 24_000_000, 16_000_000, 12_000_000, 4_000_000, 2_000_000, 1_330_000, 1_000_000,
    3_072_000, 1_536_000, 1_024_000, 768_000, 400_000, 200_000, 133_000, 100_000,
)  # fmt: skip
_MSI_AFTER_RESET = 4
_BOOST_DIVIDERS = (1, 2, 4, 6, 8, 10, 12, 14, 16)
_RANGES = ((4_000_000, 8_000_000), (8_000_000, 16_000_000))  # of the PLL's input, by PLL1RGE


def stm32u5(state: State) -> ClockTree:
    """Return the tree as the registers have it now."""
    tree = ClockTree()
    if state["RCC.CR.MSISON"]:
        own = state["RCC.ICSCR1.MSIRGSEL"]
        tree.add(
            "MSI", _MSI[state["RCC.ICSCR1.MSISRANGE"] if own else _MSI_AFTER_RESET], "internal"
        )
    if state.ready("RCC.CR.HSIRDY"):
        tree.add("HSI", _HSI, "internal")
    oscillator(state, tree, "RCC.CR.HSEON", "RCC.CR.HSERDY", "RCC.CR.HSEBYP")
    boosted = _booster(state, tree)
    if state["RCC.CR.PLL1ON"]:
        _pll(state, tree)
    source = ("MSI", "HSI", "HSE", "PLL1")[state["RCC.CFGR1.SW"]]
    if not tree.feeds("the core", source):
        return tree
    tree.add("SYSCLK", tree.clocks[source], source)
    by_way_of_half(state, tree, state.limit("at_once_hz"), "RCC.CFGR2.HPRE")
    scale = state["PWR.VOSR.VOS"]  # 3 is range 1, the fastest
    most = state.limits("core_hz")[scale]
    if not boosted:
        most = min(most, state.limit("unboosted_hz"))
    hclk = bus(tree, "core", "SYSCLK", AHB_DIVIDERS[state["RCC.CFGR2.HPRE"]], most)
    for number, register in ((1, "CFGR2"), (2, "CFGR2"), (3, "CFGR3")):
        divider = APB_DIVIDERS[state[f"RCC.{register}.PPRE{number}"]]
        bus(tree, f"APB{number}", "core", divider, most)
    have = state["FLASH.ACR.LATENCY"]
    wait_states(tree, have, hclk, state.limits(f"flash_{scale}_hz"), f"voltage range {4 - scale}")
    return tree


def _booster(state: State, tree: ClockTree) -> bool:
    """Whether the core voltage's booster runs, and a step has waited for it."""
    if not state["PWR.VOSR.BOOSTEN"]:
        return False
    source = ("none", "MSI", "HSI", "HSE")[state["RCC.PLL1CFGR.PLL1SRC"]]
    choice = state["RCC.PLL1CFGR.PLL1MBOOST"]
    if source not in tree.clocks or choice >= len(_BOOST_DIVIDERS):
        tree.faults.append(f"the booster has no clock: PLL1SRC is {source}, PLL1MBOOST {choice}")
        return False
    hz = tree.clocks[source] / _BOOST_DIVIDERS[choice]
    tree.within("the booster's clock", hz, state.limits("booster_hz"))
    return state.ready("PWR.VOSR.BOOSTRDY")


def _pll(state: State, tree: ClockTree) -> None:
    source = ("none", "MSI", "HSI", "HSE")[state["RCC.PLL1CFGR.PLL1SRC"]]
    if not tree.feeds("PLL1", source):
        return
    m = state["RCC.PLL1CFGR.PLL1M"] + 1
    n, r = state["RCC.PLL1DIVR.PLL1N"] + 1, state["RCC.PLL1DIVR.PLL1R"] + 1
    if n < 4 or (r > 1 and r % 2):
        tree.faults.append(f"N = {n}, R = {r} of PLL1: N is 4 at least, R is 1 or even")
    entering = tree.clocks[source] / m
    # 0 to 2 are all the lower range
    tree.within("PLL1's input", entering, list(_RANGES[state["RCC.PLL1CFGR.PLL1RGE"] == 3]))
    vco = entering * n
    tree.within("PLL1's VCO", vco, state.limits("vco_hz"))
    if not state["RCC.PLL1CFGR.PLL1REN"]:
        tree.faults.append("PLL1 is on, but RCC.PLL1CFGR.PLL1REN is 0: nothing comes out of R")
        return
    tree.add("PLL1", vco / r, f"{source} / {m} * {n} / {r} (VCO {megahertz(vco)})")
