"""What a model file may take, whatever its format."""

from pathlib import Path
from typing import Final

from nnom_hil.errors import ModelError

__all__ = ["MAX_FILE", "MAX_TENSOR_FILE", "MOST_OPERATORS", "check_file"]

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
