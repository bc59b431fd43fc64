"""Files become Keras models, in safe mode: what a file would have us run or import is refused."""

import copy
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnom_hil.errors import ModelError
from nnom_hil.model.keras_import.cudnn import CUDNN, plain_weights
from nnom_hil.model.keras_import.layers import SUPPORTED
from nnom_hil.model.keras_import.operations import OPERATIONS, spelled
from nnom_hil.model.keras_import.problems import Problem, cannot_convert
from nnom_hil.model.keras_import.translate import HARD_SIGMOID_OF_KERAS_2, translate, walk_layers

__all__ = ["load_keras", "one_line", "without_native_stderr"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_HELD_BY_LAYERS = {"dtype", "trainable", "layers"}  # and not by operations on tensors
_MAX_FILE = 1 << 30
_CAUSE = "Exception encountered: "
_MAX_REASON = 300
_FUNCTIONS = {
    "__operators__.add": "x + y", "__operators__.getitem": "x[...]", "math.add": "x + y",
    "math.multiply": "x * y", "math.subtract": "x - y", "math.truediv": "x / y",
    "math.negative": "-x",
}  # fmt: skip


def load_keras(path: Path) -> Any:
    """Return the Keras 3 model in a file or SavedModel folder; raises ModelError."""
    kind = _kind(path)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if kind == "saved_model":
        return _load_saved_model(path)
    return _load(path, kind, path)


def _kind(path: Path) -> str:
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise ModelError(f"{path}: a folder, but no SavedModel: it has no saved_model.pb")
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


def _config(path: Path, kind: str) -> tuple[dict[str, Any], str]:
    """Return the model's configuration, and the version of Keras that wrote it."""
    try:
        if kind == "keras":
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                metadata = json.loads(archive.read("metadata.json"))
            return config, str(metadata.get("keras_version", ""))
        import h5py

        with h5py.File(path, "r") as file:
            text, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "")
            weights_only = text is None and (path.name.endswith(".weights.h5") or len(file))
        if text is None:
            held = "holds weights but no model" if weights_only else "holds no model"
            raise ModelError(f"{path}: {held}; write it with model.save('name.keras')")
        return json.loads(text), _text(version)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as exc:
        raise ModelError(
            f"{path}: cannot load it: its configuration cannot be read ({exc}); "
            "save or copy the model again"
        ) from exc


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _check(config: dict[str, Any], path: Path, *, hdf5: bool) -> None:
    """Refuse layers that hold code or that Keras does not know, before anything is loaded."""
    with without_native_stderr():
        import keras

    hopeless, problems = False, []
    for name, kind, entry in walk_layers(config):
        inner = entry["config"] if isinstance(entry.get("config"), dict) else {}
        reason = None
        if kind == "Lambda":
            reason = "a Lambda layer holds code, which is not run; use layers, or remove it"
        elif kind in {"TFOpLambda", "SlicingOpLambda"}:
            function = str(inner.get("function", "x[...]"))
            shown = _FUNCTIONS.get(function, f"tf.{function}")
            reason = f"{shown} is a function of TensorFlow's; use a layer, or build it in Keras 3"
        elif str(entry.get("module", "")).startswith("keras.src.ops."):
            if kind not in OPERATIONS:
                reason = f"{spelled(kind)} has no NNoM equivalent"
        elif hdf5 and "inbound_nodes" in entry and not _HELD_BY_LAYERS & set(inner):
            reason = (
                "an operation on tensors, which HDF5 files do not hold whole; save with "
                "model.save('name.keras')"
            )
        elif kind not in SUPPORTED and kind not in CUDNN and not hasattr(keras.layers, kind):
            reason = "a class of your own, which is not loaded; use Keras' layers"
        hopeless = hopeless or reason is not None
        if reason is None and kind not in {*SUPPORTED, *OPERATIONS, *CUDNN}:
            reason = "NNoM has no such layer"
        if reason is not None:
            problems.append(Problem(name, kind, reason))
    if hopeless:  # otherwise Keras loads it, and the walk finds the same problems and more
        raise ModelError(cannot_convert(path, problems))


def _load(path: Path, kind: str, shown: Path) -> Any:
    """Load a file after a look at its layers, from a copy where its configuration is changed."""
    config, version = _config(path, kind)
    _check(config, shown, hdf5=kind == "hdf5")
    before = copy.deepcopy(config)
    try:
        problems = translate(config, keras_2=not version.startswith("3"))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ModelError(
            f"{shown}: cannot load it: its configuration cannot be read ({exc}); "
            "save or copy the model again"
        ) from exc
    if problems:
        raise ModelError(cannot_convert(shown, problems))
    if config == before:
        return _with_axes(_load_file(path, shown), config)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ("model.h5" if kind == "hdf5" else "model.keras")
        try:
            (_copy_hdf5 if kind == "hdf5" else _copy_archive)(path, file, json.dumps(config))
        except (OSError, KeyError, zipfile.BadZipFile) as exc:
            raise ModelError(f"{shown}: cannot be read: {exc}") from exc
        return _with_axes(_load_file(file, shown), config)


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


def _copy_hdf5(path: Path, target: Path, config: str) -> None:
    import h5py

    shutil.copyfile(path, target)
    target.chmod(0o600)
    with h5py.File(target, "r+") as file:
        before = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = config
        if any(kind in CUDNN for _, kind, _ in walk_layers(before)):
            for group in file["model_weights"].values():
                _rewrite_cudnn(group)


def _rewrite_cudnn(group: Any) -> None:
    names = [_text(name) for name in group.attrs.get("weight_names", [])]
    held = [group[name][()] for name in names]
    for name, old, new in zip(names, held, plain_weights(held), strict=True):
        if new is not old:
            del group[name]
            group[name] = new


def _copy_archive(path: Path, target: Path, config: str) -> None:
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copied:
        copied.writestr("config.json", config)
        for name in ("metadata.json", "model.weights.h5"):
            if source.getinfo(name).file_size > _MAX_FILE:
                raise OSError(f"{name} is larger than {_MAX_FILE >> 20} MiB")
            with source.open(name) as held, copied.open(name, "w", force_zip64=True) as part:
                shutil.copyfileobj(held, part)


def _load_file(path: Path, shown: Path) -> Any:
    with without_native_stderr():
        import keras

    def hard_sigmoid_of_keras_2(x: Any) -> Any:
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    custom = {HARD_SIGMOID_OF_KERAS_2: hard_sigmoid_of_keras_2}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return keras.models.load_model(
                path, compile=False, safe_mode=True, custom_objects=custom
            )
    except Exception as exc:  # Keras raises whatever its layers raise
        raise ModelError(
            f"{shown}: Keras {keras.__version__} cannot load it: {one_line(exc)}"
        ) from exc


def one_line(exc: Exception) -> str:
    """Return an error's cause in a line; Keras wraps one for each layer around the faulty one."""
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    causes = [line for line in lines if line.startswith(_CAUSE)]
    line = causes[-1].removeprefix(_CAUSE) if causes else lines[0]
    return line if len(line) <= _MAX_REASON else f"{line[:_MAX_REASON]} ..."


def _load_saved_model(path: Path) -> Any:
    """Keras 2 reads the folder and writes the HDF5 file that Keras 3 reads."""
    # the layers stand in a file of their own since TensorFlow 2.5, before in the graph's
    graph, metadata = path / "saved_model.pb", path / "keras_metadata.pb"
    try:
        held = graph.read_bytes() + (metadata.read_bytes() if metadata.is_file() else b"")
    except OSError as exc:
        raise ModelError(f"{path}: cannot read the model: {exc.strerror}") from exc
    if b"_tf_keras_" not in held:
        raise ModelError(
            f"{path}: this SavedModel holds functions but no Keras layers (it was exported); "
            "save the model itself with model.save('name.keras')"
        )
    if b'"class_name": "Lambda"' in held:
        raise ModelError(
            f"{path}: cannot be converted: a Lambda layer holds code, which is not run; use "
            "layers, or remove it"
        )
    with without_native_stderr():
        import tf_keras
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.h5"
            with warnings.catch_warnings(), _quiet("tensorflow"):
                warnings.simplefilter("ignore")  # that HDF5 is old
                model = tf_keras.models.load_model(path, compile=False)
                model.save(file, include_optimizer=False)
            return _load(file, "hdf5", path)
    except ModelError:
        raise
    except Exception as exc:
        raise ModelError(
            f"{path}: Keras {tf_keras.__version__} cannot load this SavedModel: {one_line(exc)}; "
            "save it again with model.save('name.keras')"
        ) from exc


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Let a library log errors only: notes about training do not matter here."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


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
