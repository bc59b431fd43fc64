"""What a reader of a record has to know about a model's numbers."""

from pathlib import Path

from nnom_hil.model.qgraph import QGraph, QSoftmax
from nnom_hil.model.read import front_end

__all__ = ["layout_note", "notes_on"]

_BASE_TWO = (
    "softmax has base two, as NNoM 0.4.3 has it: the order of classes is right, the values are no "
    "probabilities, but softmax(logits · 2^dec · ln 2)"
)


def layout_note(model: Path, graph: QGraph) -> str | None:
    """Return what firmware has to know of a model whose own data is channels first; None else."""
    shape = graph.input.shape
    if front_end(model) != "ONNX" or len(shape) < 2:
        return None
    return f"input on the target: {shape}, channels last, whatever order the ONNX model has"


def notes_on(graph: QGraph, *, compat: bool) -> tuple[str, ...]:
    """Return a line for each thing that the numbers do not say of themselves."""
    softmaxes = [node.op for node in graph.nodes if isinstance(node.op, QSoftmax)]
    return (_BASE_TWO,) if any(compat or op.base_two for op in softmaxes) else ()
