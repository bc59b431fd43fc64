"""The same runs spread over machines: Dask workers that own boards and emulators (docs/farm.md).

Only farm/ imports Dask, and only when a farm is asked for.
"""

from collections.abc import Callable

from nnom_hil.farm.dask import check_farm
from nnom_hil.farm.offers import Offer, look_here
from nnom_hil.run.crew import Crew

__all__ = ["Offer", "check_farm", "farm_crew", "look_here"]


def farm_crew(scheduler: str, say: Callable[[str], None]) -> Crew:
    """Return the workers of a farm; raises ToolError without Dask, and as FarmCrew does."""
    check_farm()
    from nnom_hil.farm.crew import FarmCrew

    return FarmCrew(scheduler, say=say)
