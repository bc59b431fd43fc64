"""Exact counts of executed instructions, from a TCG plugin in QEMU."""

from typing import TYPE_CHECKING

from nnom_hil.lazy import lazily

if TYPE_CHECKING:
    from nnom_hil.profiler.breakdown import FunctionCounts, by_function
    from nnom_hil.profiler.counting import (
        Block,
        Counted,
        Stretch,
        check_can_count,
        count_instructions,
    )
    from nnom_hil.profiler.cycles import StretchCycles, stretch_cycles
    from nnom_hil.profiler.layers import LayerProfile, ModelProfile, profile_layers
    from nnom_hil.profiler.listing import Instruction, InstructionClass, disassemble
    from nnom_hil.profiler.machines import counting_board, machine_for
    from nnom_hil.profiler.plugin import counting_plugin, plugin_digest

__all__ = [
    "Block",
    "Counted",
    "FunctionCounts",
    "Instruction",
    "InstructionClass",
    "LayerProfile",
    "ModelProfile",
    "Stretch",
    "StretchCycles",
    "by_function",
    "check_can_count",
    "count_instructions",
    "counting_board",
    "counting_plugin",
    "disassemble",
    "machine_for",
    "plugin_digest",
    "profile_layers",
    "stretch_cycles",
]

__getattr__ = lazily(
    __name__,
    {
        "Block": "counting",
        "Counted": "counting",
        "FunctionCounts": "breakdown",
        "Instruction": "listing",
        "InstructionClass": "listing",
        "LayerProfile": "layers",
        "ModelProfile": "layers",
        "Stretch": "counting",
        "StretchCycles": "cycles",
        "by_function": "breakdown",
        "check_can_count": "counting",
        "count_instructions": "counting",
        "counting_board": "machines",
        "counting_plugin": "plugin",
        "disassemble": "listing",
        "machine_for": "machines",
        "plugin_digest": "plugin",
        "profile_layers": "layers",
        "stretch_cycles": "cycles",
    },
)
