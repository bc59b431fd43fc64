"""What the base installation leaves out: each extra's modules, and the one way to say so."""

import importlib.util
from collections.abc import Mapping
from typing import Final

from nnom_hil.errors import ToolError

__all__ = ["EXTRAS", "command_for", "is_there", "missing_of", "need"]

EXTRAS: Final[Mapping[str, Mapping[str, str]]] = {
    "convert": {"tensorflow": "TensorFlow", "h5py": "h5py"},
    "savedmodel": {"tensorflow": "TensorFlow", "tf_keras": "tf-keras"},
    "train": {"tensorflow": "TensorFlow", "h5py": "h5py"},
    "onnx": {"onnx": "onnx", "onnxruntime": "onnxruntime"},
    "tflite": {"tflite": "tflite", "ai_edge_litert": "ai_edge_litert"},
    "probe": {"pyocd": "pyOCD", "tomlkit": "tomlkit"},
    "robot": {"robot": "Robot Framework"},
    "farm": {"distributed": "Dask"},
    "labgrid": {"labgrid": "labgrid"},
    "virtual": {"unicorn": "unicorn"},
    "svd": {"cmsis_svd": "cmsis-svd"},
    "parquet": {"pyarrow": "pyarrow"},
    "build": {"cmake": "CMake"},
}
"""Modules of each extra, and what people call them."""


def is_there(module: str) -> bool:
    """Whether a module can be found; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # of one that is broken, or kept out on purpose
        return False


def missing_of(extra: str) -> list[str]:
    """Return what is missing of an extra, as people call it."""
    return [name for module, name in EXTRAS[extra].items() if not is_there(module)]


def command_for(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'nnom-hil[{extra}]'"


def need(extra: str, what: str) -> None:
    """Raise ToolError with the command where a package of an extra is missing."""
    if missing := missing_of(extra):
        raise ToolError(
            f"{what} needs {' and '.join(missing)}, which cannot be found; try: "
            f"{command_for(extra)}"
        )
