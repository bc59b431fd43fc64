"""What TFLite's interpreter answers. A program of its own: see translation/runtime.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.translation.runtime import serve

__all__ = ["answers"]

Floats = npt.NDArray[np.float32]


def answers(content: bytes, x: Floats, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return values (n, ...) for x (n, *input shape) of tensors, named by their numbers."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_preserve_all_tensors=len(names) > 1,
        # plain kernels: delegates fuse operators, and may give them other bytes
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    parts: dict[str, list[Any]] = {name: [] for name in names}
    for row in x:
        interpreter.reset_all_variables()
        interpreter.set_tensor(given["index"], row.reshape(given["shape"]))
        interpreter.invoke()
        for name in names:
            parts[name].append(np.array(interpreter.get_tensor(int(name)), np.float32).reshape(-1))
    return {name: np.stack(values) for name, values in parts.items()}


if __name__ == "__main__":
    serve(answers)
