"""Which kernels a firmware says it has, and whether they are its core's; pure."""

from typing import Final

from nnom_hil.boards import Cpu
from nnom_hil.build import Kernels, Library
from nnom_hil.records import CrossCheck
from nnom_hil.report.figures import kernels_in_words

__all__ = ["check_kernels", "kernel_forms"]

_FORMS: Final = {
    Cpu.CORTEX_M0: "v6m",
    Cpu.CORTEX_M0PLUS: "v6m",
    Cpu.CORTEX_M23: "v6m",
    Cpu.CORTEX_M3: "v7m",
    Cpu.CORTEX_M4: "dsp",
    Cpu.CORTEX_M7: "dsp",
    Cpu.CORTEX_M33: "dsp",
    Cpu.CORTEX_M55: "mve",
}
"""The forms that were made for a core; the library has them in a folder of that name."""


def kernel_forms(told: str) -> dict[str, str]:
    """Return the form of each operation, from what HELLO tells: "conv_s8=dsp add_s8=plain"."""
    pairs = (word.partition("=") for word in told.split())
    return {operation: form for operation, equals, form in pairs if equals}


def check_kernels(forms: dict[str, str], cpu: Cpu, library: Library) -> list[CrossCheck]:
    """Compare what runs with what the board's core should run; nothing where it was not told."""
    if not forms or library.nnom is not None:
        return []
    expected = _FORMS.get(cpu, "plain") if library.kernels is Kernels.AUTO else "plain"
    right = expected in forms.values() and (expected != "plain" or set(forms.values()) == {"plain"})
    detail = (
        f"a {cpu.value} board runs {kernels_in_words(forms)} where {expected} ones should run: is "
        "the firmware for another core (-mcpu)?"
    )
    return [CrossCheck(what="kernels are the core's", ok=right, detail="" if right else detail)]
