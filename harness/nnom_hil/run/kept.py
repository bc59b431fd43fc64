"""Whether a model is converted by the formats that it brings along, and what is said of that."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nnom_hil.model.graph import FloatGraph
from nnom_hil.model.kept_formats import KeptFormats, read_formats

__all__ = ["kept_formats"]

_ANEW: Final = "formats are chosen anew"
Options = Mapping[str, Any]


def kept_formats(
    model: Path, graph: FloatGraph, asked: Options, default: Options
) -> tuple[KeptFormats | None, tuple[str, ...]]:
    """Return the formats that came with a fine-tuned model, if it is to be converted by them, and
    a line for the reader; neither for a model that brings none.

    asked: the options of conversion. The default ones mean whatever the model was trained for.
    Raises ModelError for formats that are damaged or do not fit the model.
    """
    found = read_formats(model, graph)
    if found is None:
        return None, ()
    if isinstance(found, str):
        return None, (f"{found}; {_ANEW}",)
    if asked not in (default, found.options):
        differ = [key for key in asked if asked[key] != found.options.get(key)]
        words = ", ".join(f"{key} {asked[key]}" for key in differ)
        return None, (f"the model was fine-tuned for other options than {words}; {_ANEW}",)
    return found, ("formats are those that the model was fine-tuned for",)
