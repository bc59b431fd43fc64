"""pyOCD's entry point."""

from typing import Any

from pyocd.core.plugin import Plugin

from nnom_hil.virtual.probe import VirtualProbe

__all__ = ["VirtualProbePlugin"]


class VirtualProbePlugin(Plugin):  # type: ignore[misc]
    """The entry point; without a rack there is no such probe."""

    name = "virtual"
    description = "a board that is a program, for nnom-hil's own tests"

    def load(self) -> Any:
        """Return the probe's class; it finds no probe where there is no rack."""
        return VirtualProbe
