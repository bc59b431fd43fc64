"""Keras models become float graphs here.

load.py reads files in safe mode, walk.py follows the tensors, layers.py translates each layer.
"""

import os
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import FloatGraph
from nnom_hil.model.keras_import.load import load_keras, told, without_native_stderr
from nnom_hil.model.keras_import.walk import to_graph
from nnom_hil.temporary import private_folder

__all__ = ["KerasModel", "from_keras", "read_keras"]

_BATCH = 128


class KerasModel:
    """A loaded Keras model: its float graph, and Keras' own answers."""

    def __init__(self, model: Any, graph: FloatGraph) -> None:
        self._model = model
        self.graph = graph

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one vector, as Keras takes it."""
        return self.graph.input.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of what Keras gives for one input."""
        return tuple(int(axis) for axis in self._model.outputs[0].shape[1:])

    def placed(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return vectors as the graph takes them: as they are, channels last."""
        return x

    def labels(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels in the order of the graph's output: as they are."""
        return y

    def check(self, x: npt.NDArray[np.float32]) -> None:
        """Do nothing: tests hold every layer's import against Keras."""

    def predict(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return Keras' outputs for x (n, *input shape), flattened to (n, outputs)."""
        fixed = self._model.inputs[0].shape[0]
        if fixed is not None:  # such a model takes batches of that size only
            padded = np.concatenate([x, np.zeros((-len(x) % fixed, *x.shape[1:]), np.float32)])
            self._reset_states()
            batches = [
                np.asarray(self._model(padded[i : i + fixed], training=False))
                for i in range(0, len(padded), fixed)
            ]
            y = np.concatenate(batches)[: len(x)]
        else:
            # the calibration of its own batch size may be odd: one size, one compiled function
            with without_native_stderr():
                y = np.asarray(self._model.predict(x, batch_size=_BATCH, verbose=0))
        return cast(npt.NDArray[np.float32], y.astype(np.float32).reshape(len(x), -1))

    def _reset_states(self) -> None:
        for layer in self._model._flatten_layers():
            if hasattr(layer, "reset_states"):
                layer.reset_states()


def read_keras(path: Path) -> KerasModel:
    """Load a `.keras` or `.h5` file or a SavedModel folder; code inside is never run.

    Raises ModelError when it is no Keras model or holds what NNoM cannot express; the message then
    lists every such layer with its class and the reason.
    """
    with told(path):
        model = load_keras(path)
        return KerasModel(model, to_graph(model, str(path), path.stem))


def from_keras(model: Any, name: str = "model") -> KerasModel:
    """Take a Keras model that is in memory, of Keras 3 or of tf_keras (Keras 2).

    Raises ModelError as read_keras does.
    """
    if not all(hasattr(model, a) for a in ("inputs", "outputs", "layers", "predict")):
        raise ModelError(f"{type(model).__name__} is no Keras model")
    if "tf_keras" in type(model).__module__ or "keras.engine" in type(model).__module__:
        with private_folder() as folder:
            file = folder / "model.h5"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that HDF5 is old
                model.save(file)
            return read_keras(file)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not model.built or not model.outputs:
        raise ModelError(
            f"{name}: the model has no input shape yet; give it a keras.Input or call build()"
        )
    return KerasModel(model, to_graph(model, name, name))
