"""The one door for model files: which front end reads a file, and what all of them give."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import FloatGraph

__all__ = ["SourceModel", "front_end", "model_files", "read_model"]

Floats = npt.NDArray[np.float32]
_TFLITE: Final = b"TFL3"


class SourceModel(Protocol):
    """A model as its framework has it, and the float graph that computes the same.

    The graph's data is channels last. input_shape: of one vector as the user has it, which may be
    channels first. output_shape: of what the graph gives for one vector.
    """

    @property
    def graph(self) -> FloatGraph: ...  # noqa: D102

    @property
    def input_shape(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def output_shape(self) -> tuple[int, ...]: ...  # noqa: D102

    def placed(self, x: Floats) -> Floats:
        """Return the user's vectors (n, *input_shape) as the graph takes them."""

    def labels(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels that have the shape of the model's output in the order of the graph's."""

    def check(self, x: Floats) -> None:
        """Hold the graph against the framework's own runtime on x as the graph takes it.

        Raises ModelError where they differ. Keras' import is held against Keras in our own tests.
        """

    def predict(self, x: Floats) -> Floats:
        """Return the framework's own outputs (n, outputs) for x as the graph takes it, in the
        order of the graph's.
        """


def front_end(path: Path) -> str:
    """Return the name of what reads a model file: by its ending, or how it begins."""
    suffix = path.suffix.lower()
    if suffix in {".onnx", ".tflite"}:
        return {".onnx": "ONNX", ".tflite": "TFLite"}[suffix]
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(8)[4:] == _TFLITE:
            return "TFLite"
    return "Keras"


def read_model(path: Path) -> SourceModel:
    """Load a model file; nothing in it is run.

    Raises ModelError when it is none, or holds what NNoM cannot express: all of that at once.
    ToolError where a package is missing.
    """
    match front_end(path):
        case "ONNX":
            from nnom_hil.model.onnx_import import read_onnx

            return read_onnx(path)
        case "TFLite":
            from nnom_hil.model.tflite_import import read_tflite

            return read_tflite(path)
        case _:
            from nnom_hil.model.keras_import import read_keras

            return read_keras(path)


def model_files(path: Path) -> Sequence[Path]:
    """Return the files that a model is read from; raises ModelError."""
    if path.is_dir():  # a SavedModel
        from nnom_hil.model.keras_import.limits import files_of

        return files_of(path)
    if front_end(path) == "ONNX":
        from nnom_hil.model.onnx_import.load import onnx_files

        return onnx_files(path)
    return [path]
