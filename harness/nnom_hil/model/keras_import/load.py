"""Files become Keras models, in safe mode: what a file would have us run or import is refused."""

import json
import os
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnom_hil.errors import ModelError
from nnom_hil.model.keras_import.layers import SUPPORTED

__all__ = ["load_keras", "without_native_stderr"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_CONTAINERS = {"Functional", "Model", "Sequential"}


def load_keras(path: Path) -> Any:
    """Return the Keras 3 model in a file or SavedModel folder; raises ModelError."""
    kind = _kind(path)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if kind == "saved_model":
        return _load_saved_model(path)
    config, version = _config(path, kind)
    if config is not None:
        _check_classes(config, path)
    return _load_file(path, shown=path, keras_2=version.startswith("2"))


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


def _config(path: Path, kind: str) -> tuple[dict[str, Any] | None, str]:
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


def _layer_configs(config: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (name, class, configuration) of every layer, those of nested models included."""
    body = config.get("config") if isinstance(config, dict) else None
    layers = body if isinstance(body, list) else (body or {}).get("layers", [])
    for layer in layers:
        if not isinstance(layer, dict):
            continue
        kind = str(layer.get("class_name"))
        inner = layer.get("config") if isinstance(layer.get("config"), dict) else {}
        if kind in _CONTAINERS:
            yield from _layer_configs(layer)
        else:
            yield str((inner or {}).get("name", layer.get("name", "?"))), kind, inner or {}


def _check_classes(config: dict[str, Any], path: Path) -> None:
    """Refuse layers that hold code or that Keras does not know, before anything is loaded."""
    with without_native_stderr():
        import keras

    hopeless, problems = False, []
    for name, kind, inner in _layer_configs(config):
        reason = None
        if kind == "Lambda":
            hopeless = True
            reason = "a Lambda layer holds code, which is not run; use layers, or remove it"
        elif kind in {"TFOpLambda", "SlicingOpLambda"}:
            hopeless = True
            function = inner.get("function", "a TensorFlow function")
            reason = f"{function} is no layer; use the layer of that kind"
        elif not hasattr(keras.layers, kind) and kind not in SUPPORTED:
            hopeless = True
            reason = "a class of your own, which is not loaded; use Keras' layers"
        elif kind not in SUPPORTED:
            reason = "NNoM has no such layer"
        if reason is not None:
            problems.append(f"  {name} ({kind}): {reason}")
    if hopeless:  # otherwise Keras loads it, and the walk finds the same problems and more
        raise ModelError(f"{path}: cannot be converted:\n" + "\n".join(problems))


def _load_file(path: Path, *, shown: Path, keras_2: bool) -> Any:
    with without_native_stderr():
        import keras

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]  # Keras is untyped
        """Keras 2 wrote a `groups` argument that Keras 3 no longer takes."""

        def __init__(self, *args: Any, groups: int = 1, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    def hard_sigmoid_of_keras_2(x: Any) -> Any:
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    custom: dict[str, Any] = {"DepthwiseConv2D": DepthwiseConv2D}
    if keras_2:
        custom["hard_sigmoid"] = hard_sigmoid_of_keras_2
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True, custom_objects=custom)
    except Exception as exc:  # Keras raises whatever its layers raise
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ModelError(
            f"{shown}: Keras {keras.__version__} cannot load it: {reason}; "
            "save it again with model.save('name.keras')"
        ) from exc


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
            f"{path}: cannot be converted:\n  (Lambda): a Lambda layer holds code, which is not "
            "run; use layers, or remove it"
        )
    with without_native_stderr():
        import tf_keras
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.h5"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that HDF5 is old
                tf_keras.models.load_model(path, compile=False).save(file)
            config, _ = _config(file, "hdf5")
            assert config is not None
            _check_classes(config, path)
            return _load_file(file, shown=path, keras_2=True)
    except ModelError:
        raise
    except Exception as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ModelError(
            f"{path}: Keras {tf_keras.__version__} cannot load this SavedModel: {reason}; "
            "save it again with model.save('name.keras')"
        ) from exc


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
