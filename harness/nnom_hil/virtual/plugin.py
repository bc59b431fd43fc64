"""pyOCD's entry point: it is loaded whenever pyOCD looks for probes, so it imports little."""

from typing import Any

from pyocd.core.plugin import Plugin

from nnom_hil.virtual.rack import load_rack

__all__ = ["VirtualProbePlugin"]


class VirtualProbePlugin(Plugin):  # type: ignore[misc]
    """The entry point; without a rack there is no such probe."""

    name = "virtual"
    description = "a board that is a program, for nnom-hil's own tests"

    def should_load(self) -> bool:
        """Return whether there is a rack and what the boards on it need."""
        try:
            import unicorn  # noqa: F401
        except ImportError:
            return False
        return load_rack() is not None

    def load(self) -> Any:
        """Return the probe's class."""
        from nnom_hil.virtual.probe import VirtualProbe

        return VirtualProbe
