"""Writes a new project's folder; nothing of what is there is ever written over."""

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.boards import find_board
from nnom_hil.errors import DataError, ModelError, UsageError
from nnom_hil.files import make_folder, read_regular, write_whole
from nnom_hil.run.source import source_of
from nnom_hil.run.task import Output, decide, head_of
from nnom_hil.run.vectors import vectors_for
from nnom_hil.scaffold import NewProject, project_files
from nnom_hil.zoo.data import load_bundled, zoo_model

__all__ = ["new_project"]

_BUNDLED: Final = "digits"
_BUNDLED_ACCURACY: Final = 0.97
_MOST_BYTES: Final = 1 << 30
_CALIBRATION: Final = 256  # of the bundled vectors: enough for its formats


def new_project(
    folder: Path, *, board: str, model: Path | None = None, data: Path | None = None
) -> list[Path]:
    """Make a project in a folder that is empty or not there, and return what was written.

    model, data: the user's own, which are copied; without, the bundled digits. Raises UsageError
    for a folder that has any of the files, or for one of model and data without the other;
    BoardError, ModelError and DataError as a run would; StoreError.
    """
    find_board(board)
    if (model is None) != (data is None):
        raise UsageError("--model and --data belong together: name both, or neither")
    asked: float | None = _BUNDLED_ACCURACY
    if model is None or data is None:
        source, vectors = zoo_model(_BUNDLED), _bundled_vectors()
        names = (f"{_BUNDLED}.keras", f"{_BUNDLED}.npz")
    else:
        asked = None
        _check(model, data)
        source, vectors = model, _bytes(data, DataError)
        names = (model.name, data.name)
    about = NewProject(
        name=folder.resolve().name,
        board=board,
        model=names[0],
        data=names[1],
        min_accuracy=asked,
    )
    files: dict[str, bytes] = {name: text.encode() for name, text in project_files(about).items()}
    files[f"models/{names[0]}"] = _bytes(source, ModelError)
    files[f"models/{names[1]}"] = vectors
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise UsageError(
            f"{folder}: has {', '.join(there)} already; name a new folder, or move them away"
        )
    written = []
    for name, content in files.items():
        path = folder / name
        make_folder(path.parent)
        write_whole(path, content)
        written.append(path)
    return written


def _check(model: Path, data: Path) -> None:
    """Read both, as a run would."""
    read = source_of(model)
    vectors = vectors_for(read, model, data)
    output = Output(shape=read.output_shape, head=head_of(read.graph))
    decide(output, vectors.x, vectors.y, where=f"{data}: array {vectors.y_name!r}")


def _bundled_vectors() -> bytes:
    digits = load_bundled(zoo_model(_BUNDLED))
    arrays: dict[str, npt.NDArray[Any]] = {
        "x": digits.x,
        "y": np.asarray(digits.y),
        "x_calib": digits.x_calibration[:_CALIBRATION],
    }
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    return packed.getvalue()


def _bytes(path: Path, error: type[ModelError | DataError]) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES)
    except OSError as exc:
        raise error(f"{path}: cannot read it: {exc.strerror}") from exc
