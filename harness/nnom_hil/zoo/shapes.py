"""Keras models of given shapes with random weights, to be counted and not to be right."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ShapedLayer", "write_shaped_model"]


class ShapedLayer(BaseModel):
    """One layer: op and its sizes (filters, units, window; pad and crop: top, bottom, left, right).

    after: names of the layers that it reads, else the one before. valid: of a convolution; same: of
    a pool, where the other kind of padding is usual.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    op: Literal["conv", "maxpool", "crop", "pad", "upsample", "dense", "softmax", "gru", "concat"]
    name: str | None = None
    size: list[int] = Field(default_factory=list)
    after: list[str] = Field(default_factory=list)
    valid: bool = False
    same: bool = False
    relu: bool = False


def write_shaped_model(
    path: Path, shape: Sequence[int], layers: Sequence[ShapedLayer]
) -> list[str]:
    """Write a .keras file; returns the names that Keras gave the layers, in their order."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(1)
    x = start = keras.Input(tuple(shape))
    made: dict[str, Any] = {}
    names = []
    for layer in layers:
        inputs = [made[name] for name in layer.after] or [x]
        if layer.op == "dense" and len(x.shape) > 2:
            inputs = [keras.layers.Flatten()(inputs[0])]
        built = _layer(keras.layers, layer)
        x = built(inputs if layer.op == "concat" else inputs[0])
        names.append(built.name)
        if layer.relu:
            x = keras.layers.ReLU()(x)
        if layer.name is not None:
            made[layer.name] = x
    keras.Model(start, x).save(path)
    return names


def _layer(layers: Any, layer: ShapedLayer) -> Any:
    size = layer.size
    match layer.op:
        case "conv":
            return layers.Conv2D(size[0], size[1:], padding="valid" if layer.valid else "same")
        case "maxpool":
            return layers.MaxPool2D(size, padding="same" if layer.same else "valid")
        case "crop":
            return layers.Cropping2D((size[:2], size[2:]))
        case "pad":
            return layers.ZeroPadding2D((size[:2], size[2:]))
        case "upsample":
            return layers.UpSampling2D(size)
        case "dense":
            return layers.Dense(size[0])
        case "softmax":
            return layers.Softmax()
        case "gru":
            return layers.GRU(size[0], return_sequences=True)
        case "concat":
            return layers.Concatenate()
