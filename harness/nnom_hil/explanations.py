"""The record of an explanation: what was compared, what was found, by what evidence."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "EXPLANATION_SCHEMA",
    "Cause",
    "Confidence",
    "ExplainedLayer",
    "Explanation",
    "Finding",
    "Trial",
]

EXPLANATION_SCHEMA: Final = "nnom-hil/explanation/1"
_Count = Annotated[int, Field(ge=0)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Cause(StrEnum):
    """What is wrong; docs/explain.md says what tells of each."""

    NAN_WEIGHTS = "NaN weights"
    DOUBLE_SOFTMAX = "double softmax"
    DEAD_CHANNELS = "dead channels"
    INPUT_SCALE = "wrong input scaling"
    CHANNEL_ORDER = "wrong channel order"
    PREPROCESSING = "wrong preprocessing"
    BYTE_ORDER = "byte order"
    LABEL_ORDER = "label order"
    FORMAT = "number format"
    SATURATION = "saturation"
    TIES = "ties"
    WRONG_SHIFT = "wrong shift"
    SWAPPED_CHANNELS = "swapped channels"
    WEIGHT_ORDER = "wrong order of weights"
    DENSE_ORDER = "wrong dense order"
    PADDING = "wrong padding"
    ROUNDING = "wrong rounding"
    OVERFLOW = "overflow"
    STALE_WEIGHTS = "stale weights"
    DAMAGED_WEIGHTS = "damaged weights"
    TRUNCATED_FLASH = "truncated flash"
    COMPAT = "answers of NNoM 0.4.3"
    OTHER_NETWORK = "another network"
    KERNEL = "kernel or compiler"
    MEMORY = "memory"
    CONSTANT_OUTPUT = "constant output"
    TARGET = "the target does not run"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """certain: the cause gives every byte that was seen, and nothing else that was tried does.
    likely: figures that chance does not give, or one of several causes that give the same bytes.
    possible: what is left.
    """

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Finding(_Facts):
    """A cause, or with is_fault False a remark. layer: where it is, None where it is at none.

    says: one sentence. evidence: what was seen, with numbers. remedy: what to do; command: what
    does it, or shows it.
    """

    cause: Cause
    confidence: Confidence
    says: str
    layer: str | None = None
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    command: tuple[str, ...] = ()
    is_fault: bool = True


class Trial(_Facts):
    """What was tried out, and what came of it, in words."""

    what: str
    result: str


class ExplainedLayer(_Facts):
    """One layer in run order, float against reference against target.

    sqnr_db: power of the float values over that of the reference's error, on these vectors; None
    without float values. saturated: share of float values beyond the ends of int8. dead: channels
    that are the same for all inputs in the reference, of channels. different: bytes of the
    target's that are not the reference's, of compared; 0 of 0 where none were fetched. own: those
    that remain where the reference is given the target's own inputs of the layer. histogram: float
    values in steps of int8, in bins of 8 from -192 to 192, what lies beyond in the outer ones.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    dec: int
    sqnr_db: float | None = None
    saturated: _Share | None = None
    dead: _Count = 0
    channels: _Count = 0
    different: _Count = 0
    own: _Count = 0
    compared: _Count = 0
    histogram: tuple[_Count, ...] = ()


class Explanation(_Facts):
    """What is wrong with a model on a target, or that nothing is.

    vectors: how many were answered; with_tensors: for how many of them every layer was compared.
    accuracy_*: shares of right answers on these vectors, None without classes. checked: what was
    looked at, in words. findings: causes first, most certain first, then remarks. input: the int8
    input in Base64 of the vector that is shown, and its shape. reproducer: the file.
    """

    schema_: Annotated[Literal["nnom-hil/explanation/1"], Field(alias="schema")] = (
        EXPLANATION_SCHEMA
    )
    tool_version: str
    model: str
    model_hash: str | None = None
    board: str | None = None
    run: str | None = None
    vectors: _Count = 0
    with_tensors: _Count = 0
    accuracy_float: _Share | None = None
    accuracy_reference: _Share | None = None
    accuracy_target: _Share | None = None
    checked: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    trials: tuple[Trial, ...] = ()
    layers: tuple[ExplainedLayer, ...] = ()
    input: str | None = None
    input_shape: tuple[int, ...] = ()
    reproducer: str | None = None

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The causes."""
        return tuple(finding for finding in self.findings if finding.is_fault)

    @property
    def is_healthy(self) -> bool:
        """Whether no cause was found."""
        return not self.faults

    def to_json(self) -> str:
        """Return the record as JSON text, keys sorted."""
        import json

        document = self.model_dump(mode="json", by_alias=True)
        return json.dumps(document, sort_keys=True, indent=2) + "\n"
