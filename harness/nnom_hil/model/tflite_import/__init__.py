"""Float TFLite models become float graphs here; nowhere else is tflite, their schema, imported.

load.py reads files within limits, walk.py follows the operators, operators.py and windows.py
translate each, constants.py computes what needs no data; runtime.py is a process of its own.
"""

from pathlib import Path
from typing import Final

from nnom_hil.extras import need
from nnom_hil.model.translation.imported import ImportedModel

__all__ = ["read_tflite"]

_RUNTIME: Final = "nnom_hil.model.tflite_import.runtime"


def read_tflite(path: Path) -> ImportedModel:
    """Load a `.tflite` file of 32-bit floats.

    Raises ModelError when it is none or holds what NNoM cannot express; the message then lists
    every such operator with the tensor that it gives and the reason. ToolError where a package is
    missing.
    """
    need("tflite", "reading TFLite models")
    from nnom_hil.model.tflite_import.load import load_tflite
    from nnom_hil.model.tflite_import.walk import to_graph
    from nnom_hil.model.translation.runtime import ask_runtime

    model = load_tflite(path)
    translation = to_graph(model, str(path), path.stem)
    return ImportedModel(
        str(path),
        "TFLite",
        translation,
        lambda x, names: ask_runtime(_RUNTIME, str(path), model.content, x, names),
    )
