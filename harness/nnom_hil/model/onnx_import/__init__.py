"""ONNX models become float graphs here, and nowhere else are onnx and onnxruntime imported.

load.py reads files within limits, walk.py follows the operators, operators.py and recurrent.py
translate each, constants.py computes what needs no data; runtime.py is a process of its own.
"""

from pathlib import Path
from typing import Final

from nnom_hil.model.onnx_import.load import load_onnx, need_onnx
from nnom_hil.model.translation.imported import ImportedModel

__all__ = ["read_onnx"]

_RUNTIME: Final = "nnom_hil.model.onnx_import.runtime"


def read_onnx(path: Path) -> ImportedModel:
    """Load an `.onnx` file of opset 11 or later.

    Raises ModelError when it is none or holds what NNoM cannot express; the message then lists
    every such operator with its node and the reason. ToolError where a package is missing.
    """
    need_onnx()
    from nnom_hil.model.onnx_import.walk import to_graph
    from nnom_hil.model.translation.runtime import ask_runtime

    model = load_onnx(path)
    translation = to_graph(model.proto, str(path), path.stem)
    return ImportedModel(
        str(path),
        "onnxruntime",
        translation,
        lambda x, names: ask_runtime(_RUNTIME, str(path), model.content, x, names),
    )
