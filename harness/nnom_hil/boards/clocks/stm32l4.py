"""STM32L4 and L4+: MSI, HSI or HSE into one PLL; voltage ranges, boost; RM0351, RM0432."""

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

__all__ = ["stm32l4"]

_HSI = 16_000_000
_MSI_KHZ = (100, 200, 400, 800, 1000, 2000, 4000, 8000, 16000, 24000, 32000, 48000)
_MSI_AFTER_RESET = 6  # 4 MHz


def stm32l4(state: State) -> ClockTree:
    """Return the tree as the registers have it now."""
    tree = ClockTree()
    if state["RCC.CR.MSION"]:
        chosen = state["RCC.CR.MSIRANGE"] if state["RCC.CR.MSIRGSEL"] else _MSI_AFTER_RESET
        if chosen < len(_MSI_KHZ):
            tree.add("MSI", _MSI_KHZ[chosen] * 1000, "internal")
        else:
            tree.faults.append(f"MSIRANGE is {chosen}; it may be up to {len(_MSI_KHZ) - 1}")
    if state.ready("RCC.CR.HSIRDY"):
        tree.add("HSI", _HSI, "internal")
    oscillator(state, tree, "RCC.CR.HSEON", "RCC.CR.HSERDY", "RCC.CR.HSEBYP")
    if state["RCC.CR.PLLON"]:
        _pll(state, tree)
    source = ("MSI", "HSI", "HSE", "PLL")[state["RCC.CFGR.SW"]]
    if not tree.feeds("the core", source):
        return tree
    tree.add("SYSCLK", tree.clocks[source], source)
    slow = state["PWR.CR1.VOS"] == 2
    most = state.limits("range_hz")[state["PWR.CR1.VOS"] % 3]
    if "boost_hz" in state.chip.facts.limits and not slow and not state["PWR.CR5.R1MODE"]:
        by_way_of_half(state, tree, most, "RCC.CFGR.HPRE")
        most = state.limit("boost_hz")
    hclk = bus(tree, "core", "SYSCLK", AHB_DIVIDERS[state["RCC.CFGR.HPRE"]], most)
    bus(tree, "APB1", "core", APB_DIVIDERS[state["RCC.CFGR.PPRE1"]], most)
    bus(tree, "APB2", "core", APB_DIVIDERS[state["RCC.CFGR.PPRE2"]], most)
    limits = state.limits("flash_range2_hz" if slow else "flash_hz")
    wait_states(tree, state["FLASH.ACR.LATENCY"], hclk, limits, "voltage range " + "12"[slow])
    return tree


def _pll(state: State, tree: ClockTree) -> None:
    source = ("none", "MSI", "HSI", "HSE")[state["RCC.PLLCFGR.PLLSRC"]]
    if not tree.feeds("the PLL", source):
        return
    m, n = state["RCC.PLLCFGR.PLLM"] + 1, state["RCC.PLLCFGR.PLLN"]
    r = 2 + 2 * state["RCC.PLLCFGR.PLLR"]
    least, most = state.limits("pll_n")
    if not least <= n <= most:
        tree.faults.append(f"PLLN is {n}; it may be {least} to {most}")
    tree.within("the PLL's input", tree.clocks[source] / m, state.limits("pll_in_hz"))
    vco = tree.clocks[source] / m * n
    slow = state["PWR.CR1.VOS"] == 2
    tree.within("the PLL's VCO", vco, state.limits("vco_range2_hz" if slow else "vco_hz"))
    if state["RCC.PLLCFGR.PLLREN"]:  # else its output to the core is off
        tree.add("PLL", vco / r, f"{source} / {m} * {n} / {r} (VCO {megahertz(vco)})")
