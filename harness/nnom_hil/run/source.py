"""Where a model comes from: a user's file by its framework, a bundled one without it."""

from pathlib import Path
from typing import TYPE_CHECKING

from nnom_hil.zoo.data import known_graph

if TYPE_CHECKING:
    from nnom_hil.model.read import SourceModel

__all__ = ["loading", "source_of", "stored_libraries"]


def loading(path: Path) -> str:
    """Return what is told while a model is read."""
    from nnom_hil.model.read import front_end

    return f"reading {path.stem}" if known_graph(path) else f"loading {front_end(path)}"


def source_of(path: Path) -> "SourceModel":
    """Return the model in a file; nothing in it is run.

    Raises ModelError for a file that is none, or holds what NNoM cannot express; ToolError where a
    package is missing.
    """
    if stored := known_graph(path):
        from nnom_hil.model.stored import read_stored

        return read_stored(stored)
    from nnom_hil.model.read import read_model

    return read_model(path)


def stored_libraries(source: "SourceModel") -> dict[str, str]:
    """Return the versions of the packages that a bundled model was read with."""
    return dict(getattr(source, "libraries", {}))
