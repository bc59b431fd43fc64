"""A virtual probe: a pyOCD plug-in in front of an STM32F4 that is a program.

pyOCD speaks to its debug port as to a real one; its flash algorithm runs on an emulated core
(Unicorn) against a model of the flash controller; the programmed image boots in QEMU, whose
console is a pseudo-terminal. The whole path to a real board is tried so, without a board.
"""

from nnom_hil.virtual.rack import RACK_VARIABLE, Faults, VirtualBoard, load_rack

__all__ = ["RACK_VARIABLE", "Faults", "VirtualBoard", "load_rack"]
