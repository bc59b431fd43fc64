"""Pieces of C that both forms of header are made of."""

from collections.abc import Iterable, Sequence
from typing import assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import ActivationKind
from nnom_hil.model.qgraph import QActivation, QNode

__all__ = ["SET_DEC_GUARD", "act_constructor", "float_literal", "mergex", "set_dec", "values"]

# NNoM's own library has no such function
SET_DEC_GUARD = (
    "#ifndef NNOM_LAYER_SET_DEC",
    "#define nnom_layer_set_dec(layer, dec) (layer)",
    "#endif",
)


def values(numbers: npt.ArrayLike | Iterable[int]) -> str:
    """Return a C initialiser of integers."""
    return "{" + ", ".join(map(str, np.ravel(np.asarray(numbers)).astype(int).tolist())) + "}"


def float_literal(number: float) -> str:
    """Return a number as a C float literal."""
    text = f"{number:.9g}"
    return f"{text}f" if any(c in text for c in ".e") else f"{text}.0f"


def mergex(method: str, sources: Sequence[str]) -> str:
    """Return the call that merges layers."""
    return f"model.mergex({method}, {len(sources)} ,{' ,'.join(sources)})"


def set_dec(call: str, node: QNode) -> str:
    """Return a constructor's call with the format in front of the tail told to the library."""
    tail = node.tail
    dec = node.dec if tail is None or tail.fixed_dec is None else tail.dec
    return f"nnom_layer_set_dec({call}, {dec})"


def act_constructor(op: QActivation, dec: int, scale: str = "") -> str:
    """Return the call that makes an activation on data of dec fraction bits.

    scale: a macro that an advanced ReLU's limits are multiplied by.
    """
    times = f" * {scale}" if scale else ""
    match op.kind:
        case ActivationKind.RELU:
            return "act_relu()"
        case ActivationKind.LEAKY_RELU:
            return f"act_leaky_relu({float_literal(op.negative_slope)})"
        case ActivationKind.ADV_RELU:
            limit = "INFINITY"
            if op.max_value is not None:
                limit = f"{float_literal(op.max_value)}{times}"
            threshold = f"{float_literal(op.threshold)}{times}"
            return f"act_adv_relu({float_literal(op.negative_slope)}, {limit}, {threshold})"
        case (
            ActivationKind.TANH
            | ActivationKind.SIGMOID
            | ActivationKind.HARD_TANH
            | ActivationKind.HARD_SIGMOID
        ):
            return f"act_{op.kind.value}({dec})"
        case never:
            assert_never(never)
