"""STM32G0, G4, L4, L4+, L5, WB: one PLL with M, N, R; voltage ranges, boost.

RM0444 (G0), RM0440 (G4), RM0351 (L4), RM0432 (L4+), RM0438 (L5), RM0434 (WB).
"""

from dataclasses import dataclass

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

__all__ = ["stm32g0", "stm32g4", "stm32l", "stm32wb"]

_HSI = 16_000_000
_MSI = (
    100_000, 200_000, 400_000, 800_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000,
    24_000_000, 32_000_000, 48_000_000,
)  # fmt: skip
_MSI_AFTER_RESET = 6
_ALL_R = (1, 2, 3, 4, 5, 6, 7, 8)  # 1 is not allowed
_EVEN_R = (2, 4, 6, 8)
_WB_DIVIDERS = (1, 3, 5, 1, 1, 6, 10, 32, 2, 4, 8, 16, 64, 128, 256, 512)


@dataclass(frozen=True, kw_only=True)
class _Family:
    """sources, pll_sources: what SW and PLLSRC select. r: by PLLR. buses: by prescaler's field."""

    sources: tuple[str, ...]
    pll_sources: tuple[str, ...]
    r: tuple[int, ...]
    buses: dict[str, str]
    ahb: tuple[int, ...] = AHB_DIVIDERS


_BUSES = {"PPRE1": "APB1", "PPRE2": "APB2"}
_G0 = _Family(
    sources=("HSISYS", "HSE", "PLL", "LSI", "LSE"),
    pll_sources=("none", "none", "HSI", "HSE"),
    r=_ALL_R,
    buses={"PPRE": "APB"},
)
_G4 = _Family(
    sources=("none", "HSI", "HSE", "PLL"),
    pll_sources=("none", "none", "HSI", "HSE"),
    r=_EVEN_R,
    buses=_BUSES,
)
_L = _Family(
    sources=("MSI", "HSI", "HSE", "PLL"),
    pll_sources=("none", "MSI", "HSI", "HSE"),
    r=_EVEN_R,
    buses=_BUSES,
)
_WB = _Family(
    sources=("MSI", "HSI", "HSE", "PLL"),
    pll_sources=("none", "MSI", "HSI", "HSE"),
    r=_ALL_R,
    buses=_BUSES,
    ahb=_WB_DIVIDERS,
)


def stm32g0(state: State) -> ClockTree:
    """Return the tree of a G0: HSISYS is HSI / 2^HSIDIV, one APB."""
    return _tree(state, _G0)


def stm32g4(state: State) -> ClockTree:
    """Return the tree of a G4."""
    return _tree(state, _G4)


def stm32l(state: State) -> ClockTree:
    """Return the tree of an L4, L4+ or L5."""
    return _tree(state, _L)


def stm32wb(state: State) -> ClockTree:
    """Return the tree of a WB: its second core must not become too fast either."""
    tree = _tree(state, _WB)
    if "SYSCLK" in tree.clocks:
        divider = _WB_DIVIDERS[state["RCC.EXTCFGR.C2HPRE"]]
        bus(tree, "core 2", "SYSCLK", divider, state.limit("core2_hz"))
    return tree


def _by_range(state: State) -> tuple[int, str, str]:
    """Return the core's limit, and which limits the wait states have."""
    scale = state["PWR.CR1.VOS"]
    if "boost_hz" in state.chip.facts.limits and scale == 1 and not state["PWR.CR5.R1MODE"]:
        return state.limit("boost_hz"), "flash_boost_hz", "range 1, boost"
    most = state.limits("core_hz")
    return (most[scale] if scale < len(most) else 0), f"flash_{scale}_hz", f"voltage range {scale}"


def _tree(state: State, family: _Family) -> ClockTree:
    tree = ClockTree()
    _oscillators(state, tree)
    if state["RCC.CR.PLLON"]:
        _pll(state, tree, family)
    chosen = state["RCC.CFGR.SW"]
    source = family.sources[chosen] if chosen < len(family.sources) else "none"
    if not tree.feeds("the core", source):
        return tree
    tree.add("SYSCLK", tree.clocks[source], source)
    if "at_once_hz" in state.chip.facts.limits:
        by_way_of_half(state, tree, state.limit("at_once_hz"), "RCC.CFGR.HPRE")
    most, flash, why = _by_range(state)
    hclk = bus(tree, "core", "SYSCLK", family.ahb[state["RCC.CFGR.HPRE"]], most)
    for field, name in family.buses.items():
        bus(tree, name, "core", APB_DIVIDERS[state[f"RCC.CFGR.{field}"]], most)
    if flash in state.chip.facts.limits:
        wait_states(tree, state["FLASH.ACR.LATENCY"], hclk, state.limits(flash), why)
    return tree


def _oscillators(state: State, tree: ClockTree) -> None:
    if state["RCC.CR.MSION"]:
        # of the field there is none, or it counts only once MSIRGSEL is set
        chosen = state["RCC.CR.MSIRANGE"]
        if state.chip.field("RCC.CR.MSIRGSEL") and not state["RCC.CR.MSIRGSEL"]:
            chosen = _MSI_AFTER_RESET
        if chosen < len(_MSI):
            tree.add("MSI", _MSI[chosen], "internal")
        else:
            tree.faults.append(f"MSIRANGE is {chosen}; it may be up to {len(_MSI) - 1}")
    if state.ready("RCC.CR.HSIRDY"):
        tree.add("HSI", _HSI, "internal")
        divider = 1 << state["RCC.CR.HSIDIV"]
        if state.chip.field("RCC.CR.HSIDIV"):
            tree.add("HSISYS", _HSI // divider, f"HSI / {divider}")
    bypass = "RCC.CR.HSEBYP"
    oscillator(
        state,
        tree,
        "RCC.CR.HSEON",
        "RCC.CR.HSERDY",
        bypass if state.chip.field(bypass) else None,
    )


def _pll(state: State, tree: ClockTree, family: _Family) -> None:
    source = family.pll_sources[state["RCC.PLLCFGR.PLLSRC"]]
    if not tree.feeds("the PLL", source):
        return
    m, n = state["RCC.PLLCFGR.PLLM"] + 1, state["RCC.PLLCFGR.PLLN"]
    r = family.r[state["RCC.PLLCFGR.PLLR"]]
    least, most = state.limits("pll_n")
    if r < 2 or not least <= n <= most:
        tree.faults.append(f"PLLN = {n}, R = {r}: N is {least} to {most}, R 2 at least")
    tree.within("the PLL's input", tree.clocks[source] / m, state.limits("pll_in_hz"))
    vco = tree.clocks[source] / m * n
    slow = state["PWR.CR1.VOS"] == 2 and "vco_range2_hz" in state.chip.facts.limits
    tree.within("the PLL's VCO", vco, state.limits("vco_range2_hz" if slow else "vco_hz"))
    if not state["RCC.PLLCFGR.PLLREN"]:
        tree.faults.append("the PLL is on, but RCC.PLLCFGR.PLLREN is 0: nothing comes out of R")
        return
    tree.add("PLL", vco / r, f"{source} / {m} * {n} / {r} (VCO {megahertz(vco)})")
