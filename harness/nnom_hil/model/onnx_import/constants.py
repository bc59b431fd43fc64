"""Operators that need no data of the user's: shapes and weights, computed at import.

PyTorch's exporters write down how shapes follow from each other; with a batch of one all are known.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.model.translation.place import MOST_VALUES
from nnom_hil.model.translation.problems import UnsupportedLayerError, one_line

__all__ = ["FOLDED", "folded"]

Array = npt.NDArray[Any]

FOLDED: Final = frozenset({
    "Abs", "Add", "And", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal",
    "Exp", "Expand", "Flatten", "Floor", "Gather", "Greater", "GreaterOrEqual", "Identity", "Less",
    "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Range", "Reciprocal",
    "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round", "ScatterND", "Size",
    "Slice", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
"""Operators that are computed where all their inputs are known."""


def folded(node: Any, inputs: Mapping[str, Array], opset: int) -> Sequence[Array]:
    """Return an operator's results by ONNX's own reference; inputs: by their names.

    Raises UnsupportedLayerError where they are too large or cannot be computed.
    """
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    given = [helper.make_tensor_value_info(name, 0, None) for name in inputs]
    results = [helper.make_tensor_value_info(name, 0, None) for name in node.output]
    model = helper.make_model(
        helper.make_graph([node], "constant", given, results),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    try:
        _check_growth(node, [inputs[name] for name in node.input if name])
        with np.errstate(all="ignore"):
            values = ReferenceEvaluator(model).run(None, dict(inputs))
    except UnsupportedLayerError:
        raise
    except Exception as exc:  # NumPy's and ONNX's own, for shapes that do not fit
        raise UnsupportedLayerError(f"its constants do not fit: {one_line(exc)}") from exc
    return [np.asarray(value) for value in values]


def _check_growth(node: Any, inputs: Sequence[Array]) -> None:
    """Refuse results much larger than what they are made of, before they are made."""
    if node.op_type in {"ConstantOfShape", "Expand"}:
        size = math.prod(max(int(n), 1) for n in inputs[-1].ravel()) * max(1, inputs[0].size)
    elif node.op_type == "Range":
        start, limit, step = (float(v.item()) for v in inputs)
        size = int(abs((limit - start) / step)) if step else MOST_VALUES + 1
    else:
        size = sum(v.size for v in inputs)
        with contextlib.suppress(ValueError):  # of an operator that does not broadcast
            size = max(size, math.prod(np.broadcast_shapes(*(v.shape for v in inputs))))
    if size > MOST_VALUES:
        raise UnsupportedLayerError(f"a constant of {size} values")
