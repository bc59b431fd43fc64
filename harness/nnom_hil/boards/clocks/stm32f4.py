"""STM32F2, F4 and F7: one PLL with M, N, P; voltage scales, over-drive; RM0090 chapters 5 to 7."""

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

__all__ = ["stm32f4"]

_HSI = 16_000_000


def stm32f4(state: State) -> ClockTree:
    """Return the tree as the registers have it now."""
    tree = ClockTree()
    if state["RCC.CR.HSION"]:
        tree.add("HSI", _HSI, "internal")
    oscillator(state, tree, "RCC.CR.HSEON", "RCC.CR.HSERDY", "RCC.CR.HSEBYP")
    if state["RCC.CR.PLLON"]:
        _pll(state, tree)
    source = ("HSI", "HSE", "PLL", "none")[state["RCC.CFGR.SW"]]
    if not tree.feeds("the core", source):
        return tree
    tree.add("SYSCLK", tree.clocks[source], source)
    # the F7 has numbers in the registers' names
    over = int(state.ready("PWR.CSR.ODSWRDY") or state.ready("PWR.CSR1.ODSWRDY"))
    scale = state["PWR.CR.VOS"] or state["PWR.CR1.VOS"]
    most = state.limits("overdrive_hz" if over else "scale_hz")[scale]
    hclk = bus(tree, "core", "SYSCLK", AHB_DIVIDERS[state["RCC.CFGR.HPRE"]], most)
    bus(tree, "APB1", "core", APB_DIVIDERS[state["RCC.CFGR.PPRE1"]], state.limits("apb1_hz")[over])
    bus(tree, "APB2", "core", APB_DIVIDERS[state["RCC.CFGR.PPRE2"]], state.limits("apb2_hz")[over])
    wait_states(
        tree, state["FLASH.ACR.LATENCY"], hclk, state.limits("flash_hz"), "supply of 2.7 to 3.6 V"
    )
    return tree


def _pll(state: State, tree: ClockTree) -> None:
    source = "HSE" if state["RCC.PLLCFGR.PLLSRC"] else "HSI"
    if not tree.feeds("the PLL", source):
        return
    m, n, q = (state[f"RCC.PLLCFGR.PLL{x}"] for x in "MNQ")
    p = 2 + 2 * state["RCC.PLLCFGR.PLLP"]
    least, most = state.limits("pll_n")
    if m < 2 or q < 2 or not least <= n <= most:
        tree.faults.append(
            f"PLLM = {m}, PLLN = {n}, PLLQ = {q}: M and Q are 2 at least, N is {least} to {most}"
        )
    m = max(m, 1)
    tree.within("the PLL's input", tree.clocks[source] / m, state.limits("pll_in_hz"))
    vco = tree.clocks[source] / m * n
    tree.within("the PLL's VCO", vco, state.limits("vco_hz"))
    tree.add("PLL", vco / p, f"{source} / {m} * {n} / {p} (VCO {megahertz(vco)})")
