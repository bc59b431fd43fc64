"""What Keras' deserialiser may be given: named classes and functions of its own, and no others.

A configuration is looked through first, and every offender named; then it is written anew, of
these words only. Where modules and registered names stand in it they are ours: a file cannot choose
what is imported. Nothing here imports Keras.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from nnom_hil.model.keras_import.cudnn import CUDNN
from nnom_hil.model.keras_import.layers import SUPPORTED
from nnom_hil.model.keras_import.operations import OPERATIONS
from nnom_hil.model.keras_import.translate import (
    CONTAINERS,
    HARD_SIGMOID_OF_KERAS_2,
    initializers_of,
)
from nnom_hil.model.translation.problems import Problem

__all__ = [
    "CELLS",
    "KNOWN_LAYERS",
    "OPERATION_MODULES",
    "WEIGHTS",
    "is_keras",
    "rewritten",
    "strangers",
]

Config = dict[str, Any]

CELLS: Final = frozenset({"GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"})
_OTHERS: Final = frozenset({
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "AdditiveAttention",
    "Attention", "AveragePooling3D", "Conv3D", "Conv3DTranspose", "ConvLSTM1D", "ConvLSTM2D",
    "ConvLSTM3D", "Cropping3D", "Dot", "ELU", "EinsumDense", "Embedding",
    "GlobalAveragePooling3D", "GlobalMaxPooling3D", "GroupNormalization", "GroupQueryAttention",
    "LayerNormalization", "Masking", "MaxPooling3D", "Maximum", "Minimum", "MultiHeadAttention",
    "RMSNormalization", "SpatialDropout3D", "UnitNormalization", "UpSampling3D", "ZeroPadding3D",
})  # fmt: skip
KNOWN_LAYERS: Final = SUPPORTED | CELLS | _OTHERS | frozenset(CUDNN)
"""Layers that only compute: those that can be converted, and some that are loaded to be told."""

_ACTIVATIONS: Final = frozenset({
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign",
    "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink",
    "threshold", HARD_SIGMOID_OF_KERAS_2,
})  # fmt: skip
_PASSED_OVER: Final = frozenset({
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity",
    "IdentityInitializer", "L1", "L1L2", "L2", "LecunNormal", "LecunUniform", "MaxNorm",
    "MinMaxNorm", "NonNeg", "Ones", "Orthogonal", "OrthogonalInitializer", "OrthogonalRegularizer",
    "RandomNormal", "RandomUniform", "TruncatedNormal", "UnitNorm", "VarianceScaling", "Zeros",
})  # fmt: skip
"""Initialisers, regularisers and constraints: they are of no use here and are not passed on."""

_OBJECTS: Final = {
    "keras.dtype_policies": frozenset({
        "AWQDTypePolicy", "DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy", "GPTQDTypePolicy",
        "Int4DTypePolicy", "Policy", "QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy",
    }),
    "keras.quantizers": frozenset({
        "AWQConfig", "AbsMaxQuantizer", "Float8QuantizationConfig", "GPTQConfig",
        "Int4QuantizationConfig", "Int8QuantizationConfig",
    }),
}  # fmt: skip
_MODULE_OF: Final = {name: module for module, names in _OBJECTS.items() for name in names}
_VALUES: Final = {"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"}
_NUMBERS: Final = re.compile(r"(float|u?int)(8|16|32|64)|bfloat16|bool")
_KERAS: Final = re.compile(
    r"(?:tf_)?keras(?:\.\w++){0,20}|tensorflow(?:\.python)?\.keras(?:\.\w++){0,20}|builtins"
)
OPERATION_MODULES: Final = frozenset({
    "keras.src.ops.core", "keras.src.ops.math", "keras.src.ops.nn", "keras.src.ops.numpy",
})  # fmt: skip
_FUNCTIONAL: Final = "keras.src.models.functional"
_TRAINING: Final = ("_initializer", "_regularizer", "_constraint")
_FUNCTION_KEYS: Final = {"activation", "recurrent_activation"}
_MOST: Final = 1 << 31

WEIGHTS: Final = "nnom_hil>weights"
"""The initialiser that every layer gets: weights come from the file, and only as many."""


def is_keras(entry: Config) -> bool:
    """Tell whether an entry means what Keras itself calls so, and no class registered by others."""
    module, registered = entry.get("module"), entry.get("registered_name")
    names = {None, entry.get("class_name"), f"Keras>{entry.get('class_name')}"}
    if entry.get("class_name") == "function":
        names.add(entry["config"] if isinstance(entry.get("config"), str) else None)
    if not isinstance(registered, str | None) or registered not in names:
        return False
    return module is None or (isinstance(module, str) and bool(_KERAS.fullmatch(module)))


def strangers(config: Any) -> Iterator[Problem]:
    """Yield what stands in a configuration, at any depth, and is none of the known words.

    Layers in the lists of models are left to the caller. What is about training is not looked at:
    it is never passed on.
    """
    pending: list[tuple[str, str, Any]] = [("?", "", config)]
    while pending:
        owner, key, value = pending.pop()
        if isinstance(value, list):
            pending += [(owner, key, part) for part in value]
            continue
        if key in _FUNCTION_KEYS and isinstance(value, str) and value not in _ACTIVATIONS:
            yield Problem(owner, key, f"{value!r} is a function of your own, which is not run")
        if not isinstance(value, dict):
            continue
        if "class_name" in value:
            if key != "layers" and (reason := _stranger(value)) is not None:
                yield Problem(owner, str(value["class_name"]), reason)
            body = value.get("config")
            if isinstance(body, dict) and isinstance(body.get("name"), str):
                owner = body["name"]
        pending += [
            (owner, key if k == "config" and "class_name" in value else str(k), v)
            for k, v in value.items()
            if k not in {"compile_config", "build_config", "module", "registered_name"}
        ]


def _stranger(entry: Config) -> str | None:
    """Return why an object that is no layer of a list is not passed on."""
    kind, body = entry["class_name"], entry.get("config")
    if kind in _VALUES:
        dtype = body.get("dtype") if isinstance(body, dict) else None
        if kind in {"__tensor__", "__numpy__"} and not _NUMBERS.fullmatch(str(dtype)):
            return f"values of type {dtype!r}, no numbers"
        return None
    if kind == "function":
        if isinstance(body, str) and body in _ACTIVATIONS and is_keras(entry):
            return None
        return f"{body!r} is a function of your own, which is not run"
    if kind in {"Lambda", "__lambda__"}:
        return "a Lambda layer holds code, which is not run; use layers, or remove it"
    known = isinstance(kind, str) and (
        kind in KNOWN_LAYERS | CONTAINERS | _PASSED_OVER or kind in _MODULE_OF
    )
    return None if known and is_keras(entry) else "a class of your own, which is not loaded"


def rewritten(config: Config, *, modules: bool) -> Config:
    """Return a model's configuration, of known words only.

    modules: whether layers in lists name their module where the file did not. Raises ValueError for
    anything that strangers() and the look at the layers should have found.
    """
    return _object(config, modules)


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        if "class_name" in value:
            return _object(value, modules=True)
        return {str(k): _value(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_value(part) for part in value]
    if isinstance(value, int) and abs(value) > _MOST:
        raise ValueError(f"the number {value:.3e}, which no layer needs")
    return value


def _object(entry: Config, modules: bool) -> Config:
    kind, body = entry["class_name"], entry.get("config")
    if kind in _VALUES:
        return {"class_name": kind, "config": _value(body)}
    if kind == "function":
        if body not in _ACTIVATIONS:
            raise ValueError(f"function {body!r}")
        made = {"class_name": kind, "config": body, "module": "builtins"}
        return made | {"registered_name": "function"}
    inner = _body(kind, body, modules) if kind not in _MODULE_OF else _value(body)
    made, module = {"class_name": kind, "config": inner}, _module(entry)
    if modules or "module" in entry:
        made |= {"module": module, "registered_name": None}
    made |= {key: _value(entry[key]) for key in ("name", "inbound_nodes") if key in entry}
    if isinstance(number := entry.get("shared_object_id"), int):
        made["shared_object_id"] = number
    if isinstance(built := entry.get("build_config"), dict):
        made["build_config"] = {
            k: _value(built[k]) for k in ("input_shape", "shapes_dict") if k in built
        }
    return made


def _module(entry: Config) -> str:
    """Return where Keras has a class; raises ValueError for one that is none of the known."""
    kind, module = entry["class_name"], str(entry.get("module"))
    if module in OPERATION_MODULES:
        if kind not in OPERATIONS:
            raise ValueError(f"operation {kind!r}")
        return module
    if kind == "Functional":
        return _FUNCTIONAL
    if kind in CONTAINERS:
        return "keras"
    if kind in _MODULE_OF:
        return _MODULE_OF[kind]
    if kind not in KNOWN_LAYERS:
        raise ValueError(f"class {kind!r}")
    return "keras.layers"


def _body(kind: str, body: Any, modules: bool) -> Any:
    """Return a layer's or model's arguments: its layers anew, its weights not made up."""
    if not isinstance(body, dict):
        raise ValueError(f"{kind} without arguments")
    made: Config = {}
    for key, value in body.items():
        if key == "layers" and kind in CONTAINERS:
            made[key] = [_object(layer, modules) for layer in value]
        elif key.endswith(_TRAINING) or key == "seed":
            made[key] = None
        elif key == "unroll":
            made[key] = False  # the same numbers, without a node for each step
        else:
            made[key] = _value(value)
    for key in initializers_of(kind):
        made[key] = {"class_name": "weights", "config": {}, "module": None,
                     "registered_name": WEIGHTS}  # fmt: skip
    return made
