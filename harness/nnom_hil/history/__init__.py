"""All runs side by side: a table that is made from their records, at any time, and what changed."""

from nnom_hil.history.changes import change_points, steps
from nnom_hil.history.columns import COLUMNS, Column
from nnom_hil.history.export import export
from nnom_hil.history.keeping import history_file, open_history, rebuild, remember
from nnom_hil.history.store import Filter, History, Synced, since

__all__ = [
    "COLUMNS",
    "Column",
    "Filter",
    "History",
    "Synced",
    "change_points",
    "export",
    "history_file",
    "open_history",
    "rebuild",
    "remember",
    "since",
    "steps",
]
