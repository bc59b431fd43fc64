"""A configuration is looked through before Keras gets it, and brought up to date."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnom_hil.errors import ModelError
from nnom_hil.model.keras_import.cudnn import CUDNN
from nnom_hil.model.keras_import.layers import SUPPORTED
from nnom_hil.model.keras_import.operations import OPERATIONS, spelled
from nnom_hil.model.keras_import.translate import (
    CONTAINERS,
    most_out_of_order,
    translate,
    walk_layers,
)
from nnom_hil.model.keras_import.vocabulary import (
    CELLS,
    KNOWN_LAYERS,
    OPERATION_MODULES,
    is_keras,
    rewritten,
    strangers,
)
from nnom_hil.model.translation.problems import Problem, cannot_convert, one_line

__all__ = ["Words", "checked"]

_HELD_BY_LAYERS = {"dtype", "trainable", "layers"}  # and not by operations on tensors
_MOST_LAYERS = 2000
_MOST_OUT_OF_ORDER = 100  # of layers that are used twice there may be some
_FUNCTIONS = {
    "__operators__.add": "x + y", "__operators__.getitem": "x[...]", "math.add": "x + y",
    "math.multiply": "x * y", "math.subtract": "x - y", "math.truediv": "x / y",
    "math.negative": "-x",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Words:
    """A configuration that may be given to Keras, and as it was before."""

    config: dict[str, Any]
    before: dict[str, Any]


def checked(
    config: Any, version: str, shown: Path, *, hdf5: bool = False, modules: bool = False
) -> Words:
    """Look a configuration through and bring it up to date; raises ModelError.

    modules: as rewritten() takes it.
    """
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
        raise ModelError(f"{shown}: its configuration cannot be read: it is no model's")
    if config["class_name"] not in CONTAINERS or not is_keras(config):
        reason = (
            "a class of your own, whose layers stand in its code only; build the model as "
            "Sequential or functional"
        )
        raise ModelError(cannot_convert(shown, [Problem("model", config["class_name"], reason)]))
    _check_layers(config, shown, hdf5=hdf5)
    if (late := most_out_of_order(config)) > _MOST_OUT_OF_ORDER:
        raise ModelError(
            f"{shown}: damaged: {late} layers read others that are listed behind them; save the "
            "model again with model.save('name.keras')"
        )
    if found := list(strangers(config)):
        raise ModelError(cannot_convert(shown, found))
    before = json.loads(json.dumps(config))
    try:
        problems = translate(config, keras_2=not version.startswith("3"))
        if problems:
            raise ModelError(cannot_convert(shown, problems))
        return Words(config=rewritten(config, modules=modules), before=before)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ModelError(
            f"{shown}: cannot load it: its configuration cannot be read ({one_line(exc)}); "
            "save or copy the model again"
        ) from exc


def _check_layers(config: dict[str, Any], path: Path, *, hdf5: bool) -> None:
    """Refuse layers that hold code or that are not known, before anything is loaded."""
    hopeless, problems = False, []
    for number, (name, kind, entry) in enumerate(walk_layers(config)):
        if number == _MOST_LAYERS:
            raise ModelError(f"{path}: cannot be converted: more than {_MOST_LAYERS} layers")
        if kind == "function":  # of an activation; strangers() knows which
            continue
        reason = _never_loaded(kind, entry, hdf5=hdf5)
        hopeless = hopeless or reason is not None
        if reason is None and kind not in {*SUPPORTED, *CELLS, *OPERATIONS, *CUDNN}:
            reason = "NNoM has no such layer"
        if reason is not None:
            problems.append(Problem(name, kind, reason))
    if hopeless:  # otherwise Keras loads it, and the walk finds the same problems and more
        raise ModelError(cannot_convert(path, problems))


def _never_loaded(kind: str, entry: dict[str, Any], *, hdf5: bool) -> str | None:
    """Return why a layer is not even given to Keras."""
    import keras

    inner = entry["config"] if isinstance(entry.get("config"), dict) else {}
    if kind in {"Lambda", "__lambda__"}:
        return "a Lambda layer holds code, which is not run; use layers, or remove it"
    if kind in {"TFOpLambda", "SlicingOpLambda"}:
        function = str(inner.get("function", "x[...]"))
        shown = _FUNCTIONS.get(function, f"tf.{function}")
        return f"{shown} is a function of TensorFlow's; use a layer, or build it in Keras 3"
    if str(entry.get("module", "")).startswith("keras.src.ops."):
        known = kind in OPERATIONS and entry["module"] in OPERATION_MODULES
        return None if known else f"{spelled(kind)} has no NNoM equivalent"
    if hdf5 and "inbound_nodes" in entry and not _HELD_BY_LAYERS & set(inner):
        return (
            "an operation on tensors, which HDF5 files do not hold whole; save with "
            "model.save('name.keras')"
        )
    if not is_keras(entry) or (kind not in KNOWN_LAYERS and not hasattr(keras.layers, kind)):
        return "a class of your own, which is not loaded; use Keras' layers"
    return None if kind in KNOWN_LAYERS else "NNoM has no such layer"
