"""What onnxruntime answers. A program of its own (python -m): see translation/runtime.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.translation.runtime import serve

__all__ = ["answers"]

Floats = npt.NDArray[np.float32]

_BATCH = 64


def answers(content: bytes, x: Floats, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return named tensors' values (n, ...) for x (n, *input shape)."""
    import onnx
    import onnxruntime

    proto = onnx.ModelProto.FromString(content)
    have = {output.name for output in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in have)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    weights = {tensor.name for tensor in proto.graph.initializer}
    given = next(i for i in session.get_inputs() if i.name not in weights)
    dtype = np.float16 if given.type == "tensor(float16)" else np.float32
    fixed = isinstance(given.shape[0], int)
    # tensors inside need not have the batch first: asked for, they come one by one
    size = 1 if fixed or len(names) > 1 else _BATCH
    parts: dict[str, list[Any]] = {name: [] for name in names}
    for i in range(0, len(x), size):
        batch = x[i : i + size]
        found = session.run(list(names), {given.name: batch.astype(dtype)})
        for name, value in zip(names, found, strict=True):
            parts[name].append(np.asarray(value, np.float32).reshape(len(batch), -1))
    return {name: np.concatenate(values) for name, values in parts.items()}


if __name__ == "__main__":
    serve(answers)
