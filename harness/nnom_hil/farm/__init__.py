"""The same runs spread over machines: Dask workers that own boards and emulators (docs/farm.md).

Only farm/ imports Dask, and only when a farm is asked for.
"""

from nnom_hil.farm.dask import check_farm
from nnom_hil.farm.offers import Offer, look_here

__all__ = ["Offer", "check_farm", "look_here"]
