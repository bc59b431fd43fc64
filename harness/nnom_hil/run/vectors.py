"""The user's vectors, in the order of axes that the float graph has."""

from dataclasses import replace
from pathlib import Path

from nnom_hil.model.read import SourceModel
from nnom_hil.zoo.data import DataSet, load_bundled
from nnom_hil.zoo.files import load_vectors

__all__ = ["vectors_for"]


def vectors_for(model: SourceModel, path: Path, data: Path | None) -> DataSet:
    """Return the vectors in `data` (None: those of the bundled model at `path`) for the graph.

    The file has them as the model's own framework takes them. Raises DataError.
    """
    if data is None:
        vectors = load_bundled(path)
    else:
        first = model.input_shape != model.graph.input.shape
        vectors = load_vectors(data, model.input_shape, channels_first=first)
    same_x = vectors.x_calibration is vectors.x
    same_y = vectors.y_calibration is vectors.y
    x = model.placed(vectors.x)
    y = None if vectors.y is None else model.labels(vectors.y)
    others = None if vectors.y_calibration is None else model.labels(vectors.y_calibration)
    return replace(
        vectors,
        x=x,
        y=y,
        x_calibration=x if same_x else model.placed(vectors.x_calibration),
        y_calibration=y if same_y else others,
    )
