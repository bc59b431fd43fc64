"""A saved model's configuration, of whatever Keras wrote it, as the installed Keras 3 takes it.

What restates Keras 3's only behaviour or matters to training alone is left out; an argument that
Keras 3 no longer has, set to something else, is named.
"""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from nnom_hil.extras import need
from nnom_hil.model.translation.problems import Problem

__all__ = [
    "CONTAINERS",
    "HARD_SIGMOID_OF_KERAS_2",
    "TRAINING_ONLY",
    "initializers_of",
    "most_out_of_order",
    "translate",
    "walk_layers",
]

Config = dict[str, Any]

CONTAINERS = frozenset({"Functional", "Model", "Sequential"})
TRAINING_ONLY = frozenset({
    "ActivityRegularization", "AlphaDropout", "AugMix", "CutMix", "Dropout", "GaussianDropout",
    "GaussianNoise", "Identity", "MixUp", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomElasticTransform",
    "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHeight",
    "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
    "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomWidth",
    "RandomZoom", "Solarization", "SpatialDropout1D", "SpatialDropout2D",
})  # fmt: skip
"""Layers that hand on what they get outside training."""

_HELD = ("layer", "forward_layer", "backward_layer", "cell", "cells", "layers", "activation")
_SHAPES = ("batch_shape", "batch_input_shape", "input_shape")
_TRAINING = ("_initializer", "_regularizer", "_constraint")
_TRAINING_NAMES = {"trainable", "seed", "rng_type", "implementation", "synchronized"}
HARD_SIGMOID_OF_KERAS_2 = "hard_sigmoid_of_keras_2"
_HARD_SIGMOID = {
    "module": "builtins", "class_name": "function", "config": HARD_SIGMOID_OF_KERAS_2,
    "registered_name": "function",
}  # fmt: skip
_RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
_CUDNN: dict[str, Config] = {
    "CuDNNGRU": {"class_name": "GRU", "reset_after": True},
    "CuDNNLSTM": {"class_name": "LSTM"},
}


def walk_layers(config: Any) -> Iterator[tuple[str, str, Config]]:
    """Yield (name, class, entry) of every layer in a configuration, those inside others included.

    A layer without a name, such as one inside TimeDistributed, gets that of the one around it.
    """
    outer = str(_body(config).get("name", "?")) if isinstance(config, dict) else "?"
    for entry in _held(config):
        kind = str(entry["class_name"])
        if kind not in CONTAINERS:
            yield str(_body(entry).get("name") or entry.get("name") or outer), kind, entry
        yield from walk_layers(entry)


def translate(config: Config, *, keras_2: bool) -> list[Problem]:
    """Bring a model's configuration up to date, in place.

    Keras 2's hard sigmoid, which is another one, becomes a function named HARD_SIGMOID_OF_KERAS_2.
    Returns the arguments that have no equivalent.
    """
    problems: list[Problem] = []
    _container(config, problems)
    if keras_2:
        _renumber(config)
        for _, _, entry in walk_layers(config):
            body = _body(entry)
            for key in ("activation", "recurrent_activation"):
                if body.get(key) == "hard_sigmoid":
                    body[key] = dict(_HARD_SIGMOID)
    return problems


def most_out_of_order(entry: Config) -> int:
    """Return how many layers of one model, of all inside each other, read one that is listed later.

    Keras lists them in order, and goes through the list again for each that is not.
    """
    seen: set[str] = set()
    late = 0
    inside = [most_out_of_order(inner) for inner in _held(entry)]
    for layer in _held(entry):
        seen.add(str(layer.get("name")))
        late += any(use not in seen for use in _names_read(layer.get("inbound_nodes")))
    return max([late, *inside])


def _names_read(value: Any) -> set[str]:
    """Return the names of the layers that a layer's nodes read, as either Keras writes them."""
    found = {use[0] for use in _uses(value)}
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            history = part.get("keras_history")
            if isinstance(history, list) and history:
                found.add(str(history[0]))
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return found


def _renumber(entry: Config) -> None:
    """Count the uses of models inside another from 0: in Keras 2 from 1.

    Keras 3 itself does so for the results of functional models.
    """
    for inner in _held(entry):
        _renumber(inner)
    uses = _by_name(use for layer in _held(entry) for use in _uses(layer.get("inbound_nodes")))
    results = _by_name(_uses(_body(entry).get("output_layers")))
    for inner in _held(entry):
        name, kind = str(_body(inner).get("name")), inner["class_name"]
        own, ends = uses.get(name, []), results.get(name, [])
        if kind in CONTAINERS and own + ends and all(use[1] >= 1 for use in own + ends):
            for use in own + ends if kind == "Sequential" else own:
                use[1] -= 1


def _by_name(uses: Iterable[list[Any]]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for use in uses:
        found.setdefault(use[0], []).append(use)
    return found


def _uses(value: Any) -> list[list[Any]]:
    """Return every [name, use, result, ...] in nested lists."""
    if not isinstance(value, list):
        return []
    if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
        return [value]
    return [use for part in value for use in _uses(part)]


def _body(entry: Config) -> Config:
    body = entry.get("config")
    return body if isinstance(body, dict) else {}


def _held(entry: Any) -> list[Config]:
    """Return the layers that stand inside an entry of a configuration."""
    body = entry.get("config") if isinstance(entry, dict) else None
    if isinstance(body, list):  # a Sequential model of Keras before 2.2.3
        values = body
    elif isinstance(body, dict):
        values = []
        for key in _HELD:
            value = body.get(key)
            values += value if isinstance(value, list) else [value]
    else:
        values = []
    return [v for v in values if isinstance(v, dict) and isinstance(v.get("class_name"), str)]


def _container(entry: Config, problems: list[Problem], *, inside: bool = False) -> None:
    kind = entry.get("class_name")
    if isinstance(entry.get("config"), list):
        entry["config"] = {"name": entry.get("name", "sequential"), "layers": entry["config"]}
    if kind in CONTAINERS and not str(entry.get("module", "keras.src.")).startswith("keras.src."):
        name = "Sequential" if kind == "Sequential" else "Model"
        entry.update(module="keras", class_name=name, registered_name=None)
    if kind == "Sequential":
        _give_input(_body(entry), problems, needed=not inside)
    for layer in _held(entry):
        if layer["class_name"] in CONTAINERS:
            _container(layer, problems, inside=True)
        elif not str(layer.get("module", "")).startswith("keras.src.ops."):
            _layer(layer, problems)


def _give_input(body: Config, problems: list[Problem], *, needed: bool) -> None:
    """Put an InputLayer first where the first layer itself tells the shape, as in Keras 2.2.

    needed: whether there must be one; a model inside another gets its shape there.
    """
    layers = body.get("layers")
    if not isinstance(layers, list) or not layers or layers[0].get("class_name") == "InputLayer":
        return
    shape = body.get("build_input_shape") or _input_shape(layers[0])
    if shape is None and needed:
        reason = (
            "the file does not tell the shape of its input, which Keras 2.2 left out; call "
            "model.build(shape) and save it again"
        )
        problems.append(Problem(str(body.get("name", "?")), "Sequential", reason))
    elif shape is not None:
        inner = {"batch_shape": list(shape), "dtype": "float32", "name": "input_of_first"}
        like = {"module": "keras.layers", "registered_name": None} if "module" in layers[0] else {}
        layers.insert(0, {"class_name": "InputLayer", "config": inner, **like})


def _input_shape(entry: Config) -> list[Any] | None:
    """Return the batch shape that a first layer gives, None if it gives none."""
    body = _body(entry)
    for key in _SHAPES:
        if shape := body.get(key):
            return [None, *shape] if key == "input_shape" else list(shape)
    return next((_input_shape(inner) for inner in _held(entry)[:1]), None)


def _layer(entry: Config, problems: list[Problem]) -> None:
    import keras

    kind, body = str(entry["class_name"]), _body(entry)
    if kind in TRAINING_ONLY:
        _identity(entry, body)
        return
    if kind in _CUDNN:
        new = dict(_CUDNN[kind])
        entry["class_name"] = new.pop("class_name")
        body.update(new)
    for inner in _held(entry):
        _layer(inner, problems)
    for key in _SHAPES if kind != "InputLayer" else ():
        body.pop(key, None)
    if _is_policy(body.get("dtype")):
        body["dtype"] = body["dtype"]["config"]["name"]
    if isinstance(body.get("axis"), list) and len(body["axis"]) == 1:
        (body["axis"],) = body["axis"]
    for key in list(body):
        if (kind, key) in _RENAMED:
            body[_RENAMED[kind, key]] = body.pop(key)
    target = getattr(keras.layers, entry["class_name"], None)
    taken = _arguments(target) if inspect.isclass(target) else None
    for key in [k for k in body if taken is not None and k not in taken]:
        if not _is_neutral(kind, key, body[key]):
            reason = f"{key}={body[key]!r}: Keras 3 has no such argument"
            problems.append(Problem(str(body.get("name", "?")), kind, reason))
        del body[key]


def _identity(entry: Config, body: Config) -> None:
    kept = {k: body[k] for k in ("name", "dtype") if k in body}
    if _is_policy(kept.get("dtype")):
        kept["dtype"] = kept["dtype"]["config"]["name"]
    entry["class_name"], entry["config"] = "Identity", kept
    entry.pop("build_config", None)
    if "module" in entry:
        entry["module"] = "keras.layers"


def _is_policy(dtype: Any) -> bool:
    """Tell whether a dtype is a mixed precision policy as Keras 2 wrote it."""
    if not isinstance(dtype, dict) or not isinstance(_body(dtype).get("name"), str):
        return False
    return str(dtype.get("class_name", "")).startswith("Policy")


def _arguments(kind: type) -> frozenset[str]:
    """Return the arguments that a layer of Keras 3 takes, those of its base classes included."""
    taken = set(_SHAPES)
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(base.__init__).parameters  # type: ignore[misc]
        taken |= set(parameters)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    return frozenset(taken)


def initializers_of(kind: str) -> list[str]:
    """Return the arguments of a layer of Keras 3 that say how its weights begin."""
    import keras

    target = getattr(keras.layers, kind, None)
    taken = _arguments(target) if inspect.isclass(target) else frozenset()
    return sorted(name for name in taken if name.endswith("_initializer"))


def _is_neutral(kind: str, key: str, value: Any) -> bool:
    """Tell whether an argument changes nothing at inference, or is Keras 2's default."""
    if value is None or value is False or key in _TRAINING_NAMES or key.endswith(_TRAINING):
        return True
    need("savedmodel", f"reading {kind} of Keras 2")
    import tf_keras

    for base in getattr(getattr(tf_keras.layers, kind, None), "__mro__", ()):
        if "__init__" in vars(base):
            parameter = inspect.signature(base.__init__).parameters.get(key)
            if parameter is not None and parameter.default is not parameter.empty:
                return bool(parameter.default == value)
    return False
