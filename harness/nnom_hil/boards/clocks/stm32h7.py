"""STM32H742, H743, H750 and H753: PLL1, three domains, voltage scales; RM0433 chapters 6 and 8."""

from nnom_hil.boards.clocks.tree import (
    AHB_DIVIDERS,
    APB_DIVIDERS,
    ClockTree,
    bus,
    megahertz,
    oscillator,
    wait_states,
)
from nnom_hil.boards.state import State

__all__ = ["stm32h7"]

_HSI = 64_000_000
_CSI = 4_000_000


def stm32h7(state: State) -> ClockTree:
    """Return the tree as the registers have it now."""
    tree = ClockTree()
    if state["RCC.CR.HSION"]:
        tree.add("HSI", _HSI >> state["RCC.CR.HSIDIV"], "internal")
    if state.ready("RCC.CR.CSIRDY"):
        tree.add("CSI", _CSI, "internal")
    oscillator(state, tree, "RCC.CR.HSEON", "RCC.CR.HSERDY", "RCC.CR.HSEBYP")
    if state["RCC.CR.PLL1ON"]:
        _pll(state, tree)
    source = ("HSI", "CSI", "HSE", "PLL1", "none", "none", "none", "none")[state["RCC.CFGR.SW"]]
    if not tree.feeds("the core", source):
        return tree
    tree.add("SYSCLK", tree.clocks[source], source)
    scale = state["PWR.D3CR.VOS"]
    if not scale:
        tree.faults.append("PWR.D3CR.VOS is 0, which is reserved")
        return tree
    most, apb = state.limits("bus_hz")[scale], state.limits("apb_hz")[scale]
    divider = AHB_DIVIDERS[state["RCC.D1CFGR.D1CPRE"]]
    bus(tree, "core", "SYSCLK", divider, state.limits("core_hz")[scale])
    axi = bus(tree, "AHB", "core", AHB_DIVIDERS[state["RCC.D1CFGR.HPRE"]], most)
    for name, field in (("APB3", "D1CFGR.D1PPRE"), ("APB1", "D2CFGR.D2PPRE1"),
                        ("APB2", "D2CFGR.D2PPRE2"), ("APB4", "D3CFGR.D3PPRE")):  # fmt: skip
        bus(tree, name, "AHB", APB_DIVIDERS[state[f"RCC.{field}"]], apb)
    limits = state.limits(f"flash_scale{4 - scale}_hz")
    why = f"voltage scale {4 - scale}"
    wait_states(tree, state["FLASH.ACR.LATENCY"], axi, limits, why)
    needed = sum(axi > hz for hz in state.limits(f"wrhighfreq_scale{4 - scale}_hz"))
    if state["FLASH.ACR.WRHIGHFREQ"] < needed:
        tree.faults.append(f"WRHIGHFREQ for flash at {megahertz(axi)} is {needed} at least ({why})")
    return tree


def _pll(state: State, tree: ClockTree) -> None:
    source = ("HSI", "CSI", "HSE", "none")[state["RCC.PLLCKSELR.PLLSRC"]]
    if not tree.feeds("PLL1", source):
        return
    m = state["RCC.PLLCKSELR.DIVM1"]
    n, p = state["RCC.PLL1DIVR.DIVN1"] + 1, state["RCC.PLL1DIVR.DIVP1"] + 1
    if not m or n < 4 or (p > 1 and p % 2):
        tree.faults.append(f"PLL1: M = {m}, N = {n}, P = {p}; M is 1 at least, N 4, P 1 or even")
        return
    into = tree.clocks[source] / m
    chosen = state["RCC.PLLCFGR.PLL1RGE"]
    tree.within("PLL1's input", into, state.limits("range_hz")[chosen : chosen + 2])
    if state["RCC.PLLCFGR.PLL1FRACEN"]:
        tree.faults.append("PLL1FRACEN is set; clocks with a fraction are not computed")
    vco = into * n
    medium = state["RCC.PLLCFGR.PLL1VCOSEL"]
    tree.within("PLL1's VCO", vco, state.limits("vco_medium_hz" if medium else "vco_wide_hz"))
    if state["RCC.PLLCFGR.DIVP1EN"]:
        tree.add("PLL1", vco / p, f"{source} / {m} * {n} / {p} (VCO {megahertz(vco)})")
