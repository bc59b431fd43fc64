"""Files become Keras models: looked at whole first, and given to Keras in known words only."""

import json
import math
import os
import shutil
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnom_hil.errors import HilError, ModelError
from nnom_hil.extras import need
from nnom_hil.model.keras_import.checked import Words, checked
from nnom_hil.model.keras_import.cudnn import CUDNN, plain_weights
from nnom_hil.model.keras_import.limits import (
    MAX_JSON,
    check_archive,
    check_hdf5,
    read_json,
)
from nnom_hil.model.keras_import.saved_model import assign, read_saved_model
from nnom_hil.model.keras_import.translate import (
    HARD_SIGMOID_OF_KERAS_2,
    walk_layers,
)
from nnom_hil.model.keras_import.vocabulary import WEIGHTS
from nnom_hil.model.translation.limits import check_file
from nnom_hil.model.translation.problems import one_line
from nnom_hil.temporary import private_folder

__all__ = ["load_keras", "told", "without_native_stderr"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_SPARE_BYTES = 4 << 20  # of a copy, for its configuration
_SPARE_WEIGHTS = 1 << 16  # states and statistics that a file need not hold


def load_keras(path: Path) -> Any:
    """Return the Keras 3 model in a file or SavedModel folder; raises ModelError."""
    with told(path):
        kind = _kind(path)
        need("convert", f"{path}: reading a Keras model")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
        with without_native_stderr():
            import keras  # noqa: F401  # prints notes about absent GPUs
        load = {"saved_model": _load_saved_model, "hdf5": _load_hdf5, "keras": _load_archive}
        return load[kind](path)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn whatever Keras, TensorFlow and HDF5 raise on a damaged model into a ModelError."""
    try:
        yield
    except HilError:
        raise
    except Exception as exc:
        raise ModelError(
            f"{path}: cannot be read as a Keras model: {type(exc).__name__}: {one_line(exc)}; save "
            "or copy the model again"
        ) from exc


def _kind(path: Path) -> str:
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise ModelError(f"{path}: a folder, but no SavedModel: it has no saved_model.pb")
    if path.exists():
        check_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(_HDF5_MAGIC))
    except OSError as exc:
        raise ModelError(f"{path}: cannot read the model: {exc.strerror}") from exc
    if head == _HDF5_MAGIC and path.suffix in {".h5", ".hdf5", ".keras"}:
        return "hdf5"
    if head.startswith(b"PK") and path.suffix == ".keras":
        if zipfile.is_zipfile(path):
            return "keras"
        raise ModelError(f"{path}: damaged .keras archive; save or copy the model again")
    raise ModelError(
        f"{path}: not a Keras model: expected a .keras archive, a .h5 file (HDF5) or a SavedModel "
        f"folder, found a {path.suffix or 'nameless'} file starting with {head[:8]!r}"
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _load_archive(path: Path) -> Any:
    """Load a .keras archive from a copy, whose configuration is ours."""
    try:
        check_archive(path)
        with zipfile.ZipFile(path) as archive:
            config, metadata = (
                read_json(archive.open(name).read(MAX_JSON + 1), path)
                for name in ("config.json", "metadata.json")
            )
            version = str(metadata["keras_version"])
            weights_bytes = archive.getinfo("model.weights.h5").file_size
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as exc:
        raise ModelError(
            f"{path}: cannot load it: its configuration cannot be read ({one_line(exc)}); "
            "save or copy the model again"
        ) from exc
    words = checked(config, version, path, modules=True)
    with private_folder(room=2 * weights_bytes + _SPARE_BYTES) as folder:
        weights, target = folder / "weights.h5", folder / "model.keras"
        with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as held:  # noqa: SIM117
            with weights.open("wb") as copied:
                shutil.copyfileobj(held, copied)
        size = _size_of_arrays(weights, path)
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("config.json", json.dumps(words.config))
            archive.writestr("metadata.json", json.dumps({"keras_version": version}))
            archive.write(weights, "model.weights.h5")
        return _load_file(target, path, words, size)


def _size_of_arrays(file: Path, shown: Path) -> int:
    import h5py

    with h5py.File(file, "r") as held:
        return check_hdf5(held, shown)


def _load_hdf5(path: Path) -> Any:
    """Load an HDF5 file from a copy, whose configuration is ours."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            size = check_hdf5(file, path)
            text, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "")
            weights_only = text is None and (path.name.endswith(".weights.h5") or len(file))
        if text is None:
            held = "holds weights but no model" if weights_only else "holds no model"
            raise ModelError(f"{path}: {held}; write it with model.save('name.keras')")
        config = read_json(text, path)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as exc:
        raise ModelError(
            f"{path}: cannot load it: its configuration cannot be read ({one_line(exc)}); "
            "save or copy the model again"
        ) from exc
    words = checked(config, _text(version), path, hdf5=True)
    with private_folder(room=path.stat().st_size + _SPARE_BYTES) as folder:
        target = folder / "model.h5"
        _copy_hdf5(path, target, words)
        return _load_file(target, path, words, size)


def _copy_hdf5(path: Path, target: Path, words: Words) -> None:
    import h5py

    shutil.copyfile(path, target)
    target.chmod(0o600)
    with h5py.File(target, "r+") as file:
        file.attrs["model_config"] = json.dumps(words.config)
        if any(kind in CUDNN for _, kind, _ in walk_layers(words.before)):
            for group in file["model_weights"].values():
                _rewrite_cudnn(group)


def _rewrite_cudnn(group: Any) -> None:
    names = [_text(name) for name in group.attrs.get("weight_names", [])]
    held = [group[name][()] for name in names]
    for name, old, new in zip(names, held, plain_weights(held), strict=True):
        if new is not old:
            del group[name]
            group[name] = new


def _load_saved_model(path: Path) -> Any:
    """Build the layers of a SavedModel from their configuration, and give them their weights."""
    import keras

    with without_native_stderr():
        saved = read_saved_model(path)
    words = checked(saved.config, saved.version, path, modules=True)
    with _in_words(saved.size) as names:
        model = keras.saving.deserialize_keras_object(
            words.config, custom_objects=names, safe_mode=True
        )
    assign(model, saved, path)
    return _with_axes(model, words.config)


def _load_file(path: Path, shown: Path, words: Words, size: int) -> Any:
    import keras

    try:
        with _in_words(size) as names:
            model = keras.models.load_model(
                path, compile=False, safe_mode=True, custom_objects=names
            )
        return _with_axes(model, words.config)
    except ModelError as exc:
        raise ModelError(f"{shown}: {exc}") from exc
    except Exception as exc:  # Keras raises whatever its layers raise
        raise ModelError(
            f"{shown}: Keras {keras.__version__} cannot load it: {one_line(exc)}"
        ) from exc


@contextmanager
def _in_words(size: int) -> Iterator[dict[str, Any]]:
    """Let Keras know the names that rewritten() uses; size: bytes of all weights in the file."""
    import keras

    def hard_sigmoid_of_keras_2(x: Any) -> Any:
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    left = 2 * size + _SPARE_WEIGHTS  # numbers; the smallest have four bits

    class Zeros(keras.initializers.Zeros):  # type: ignore[misc]  # Keras is untyped
        __module__ = "keras.initializers"  # what a layer writes of it is Keras' own

        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            nonlocal left
            left -= math.prod(shape)
            if left < 0:
                raise ModelError(
                    "damaged: its layers have more weights than the file holds; save or copy the "
                    "model again"
                )
            return super().__call__(shape, dtype)

    names = {WEIGHTS: Zeros, HARD_SIGMOID_OF_KERAS_2: hard_sigmoid_of_keras_2}
    with keras.saving.custom_object_scope(names), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield names


def _with_axes(model: Any, config: dict[str, Any]) -> Any:
    """Give softmax layers their lists of axes back, which Keras 3 forgets in HDF5 files."""
    axes = {
        name: entry["config"]["axis"]
        for name, kind, entry in walk_layers(config)
        if kind == "Softmax" and isinstance(entry["config"].get("axis"), list)
    }
    for layer in model._flatten_layers():
        if layer.name in axes and hasattr(layer, "axis"):
            layer.axis = axes[layer.name]
    return model


@contextmanager
def without_native_stderr() -> Iterator[None]:
    """Keep what C++ code writes to file descriptor 2 off the terminal.

    TensorFlow prints notes about absent GPUs before its own log level applies; real errors arrive
    as exceptions.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
