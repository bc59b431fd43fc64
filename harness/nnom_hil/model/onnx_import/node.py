"""One operator of an ONNX model, its attributes and inputs read with their defaults."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.translation.operations import Step
from nnom_hil.model.translation.problems import UnsupportedLayerError
from nnom_hil.model.translation.tensors import Tensor

__all__ = ["Node", "Value"]

Array = npt.NDArray[Any]
Value = Tensor | Array | None


@dataclass(frozen=True, kw_only=True)
class Node:
    """An operator. inputs: tensors, constants, or None for what is left out; uses: the names that
    any operator reads, and the model's output.
    """

    step: Step
    proto: Any
    inputs: Sequence[Value]
    opset: int
    uses: Container[str]

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute; text as str."""
        from onnx import helper

        for attribute in self.proto.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def given(self, i: int) -> Value:
        """Return an input; None where it is left out."""
        return self.inputs[i] if i < len(self.inputs) else None

    def tensor(self, i: int = 0) -> Tensor:
        """Return an input that must come from the data."""
        value = self.given(i)
        if isinstance(value, Tensor):
            return value
        raise UnsupportedLayerError(
            f"its input {i} is a constant or left out; NNoM computes from data there"
        )

    def constant(self, i: int) -> Array | None:
        """Return an input that must be known at import; None where it is left out."""
        value = self.given(i)
        if isinstance(value, Tensor):
            raise UnsupportedLayerError(
                f"its input {i} ({self.proto.input[i]!r}) is computed from the data; NNoM needs it "
                "to be a constant"
            )
        return value

    def needed(self, i: int) -> Array:
        """Return an input that must be known and there."""
        value = self.constant(i)
        if value is None:
            raise UnsupportedLayerError(f"its input {i} is left out")
        return value

    def numbers(self, i: int, attribute: str) -> list[int] | None:
        """Return whole numbers that older opsets have as an attribute, newer ones as an input."""
        value = self.constant(i)
        if value is None:
            value = self.attribute(attribute, None)
        return None if value is None else [int(v) for v in np.ravel(value)]
