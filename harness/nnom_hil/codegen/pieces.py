"""Pieces of C that both forms of header are made of."""

from collections.abc import Iterable, Sequence
from typing import assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import ActivationKind
from nnom_hil.model.qgraph import QActivation, QInput, QNode

__all__ = [
    "SET_DEC_GUARD",
    "act_constructor",
    "float_literal",
    "input_function",
    "mergex",
    "set_dec",
    "values",
]

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


def input_function(op: QInput, size: int) -> list[str]:
    """Return the C of what makes int8 input of float data; QInput.quantise() is the same.

    size: elements of the input. A difference and then a product, which no compiler may fuse.
    """
    scale = op.scale or (2.0**op.dec,)
    last = size - 1
    tables = [
        f"#define NNOM_INPUT_{name} {{{', '.join(map(float_literal, numbers))}}}"
        for name, numbers in (("CENTRE", op.centre), ("SCALE", scale))
    ]
    at = {
        name: "0" if len(numbers) == 1 else "i" if len(numbers) > last else f"i % {len(numbers)}"
        for name, numbers in (("centre", op.centre), ("scale", scale))
    }
    return [
        "/* What the model takes becomes int8 input: round((x - centre) * scale), saturated. */",
        *tables,
        "static inline void nnom_quantise_input(const float *x, int8_t *input)",
        "{",
        "\tstatic const float centre[] = NNOM_INPUT_CENTRE;",
        "\tstatic const float scale[] = NNOM_INPUT_SCALE;",
        f"\tfor (uint32_t i = 0; i < {size}u; i++) {{",
        f"\t\tconst float value = (x[i] - centre[{at['centre']}]) * scale[{at['scale']}];",
        "\t\tconst float inside = value > 127.0f ? 127.0f : value < -128.0f ? -128.0f : value;",
        "\t\tinput[i] = (int8_t)(inside < 0.0f ? inside - 0.5f : inside + 0.5f);",
        "\t}",
        "}",
        "",
    ]


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
