"""What a model file may take, whatever its format."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nnom_hil.errors import ModelError, ToolError

__all__ = ["MAX_FILE", "MAX_TENSOR_FILE", "MOST_OPERATORS", "check_file", "need_packages"]

MAX_FILE: Final = 1 << 30
"""Bytes of a file, and of all that is in it when unpacked."""

MAX_TENSOR_FILE: Final = 1 << 26
"""Bytes of an ONNX or TFLite file with the files beside it: parsers need many times of it."""

MOST_OPERATORS: Final = 4000


def check_file(path: Path, most: int = MAX_FILE) -> int:
    """Return a file's size in bytes; raises ModelError if it is none or too large."""
    if not path.is_file():
        raise ModelError(f"{path}: cannot read the model: it is no file")
    size = path.stat().st_size
    if size > most:
        raise ModelError(f"{path}: {size} bytes; it may have {most}, and none for a Cortex-M has")
    return size


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # of one that is broken, or kept out on purpose
        return False


def need_packages(extra: str, what: str, modules: Sequence[str]) -> None:
    """Raise ToolError with the command where a package of an extra is missing."""
    missing = [module for module in modules if not _is_there(module)]
    if missing:
        raise ToolError(
            f"{what} needs {' and '.join(missing)}, which cannot be found; try: "
            f"pip install 'nnom-hil[{extra}]'"
        )
