"""Robot Framework: `Library    nnom_hil.robot.NnomHil`."""

from nnom_hil.robot.library import NnomHil

__all__ = ["NnomHil"]
