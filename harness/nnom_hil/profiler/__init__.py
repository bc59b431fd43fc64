"""Exact counts of executed instructions, from a TCG plugin in QEMU."""

from nnom_hil.profiler.counting import Counted, Stretch, check_can_count, count_instructions
from nnom_hil.profiler.plugin import counting_plugin

__all__ = ["Counted", "Stretch", "check_can_count", "count_instructions", "counting_plugin"]
