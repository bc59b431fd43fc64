"""Pieces of C that both forms of header are made of."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import ActivationKind
from nnom_hil.model.qgraph import QActivation

__all__ = ["act_constructor", "float_literal", "mergex", "values"]


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
        case _:
            return f"act_{op.kind.value}({dec})"
