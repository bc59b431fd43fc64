"""The record of one run: what was found out, and with what. Written once, as run.json."""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nnom_hil.files import seal, unseal
from nnom_hil.times import TimeSource

__all__ = [
    "RUN_SCHEMA",
    "Accuracy",
    "BoardFit",
    "ConversionRecord",
    "ConvertedLayer",
    "CrossCheck",
    "Deviation",
    "Difference",
    "FineTuneRecord",
    "FineTuned",
    "LabelFigures",
    "LayerRecord",
    "LinkRecord",
    "MemoryRecord",
    "MultiLabel",
    "PrintedFigures",
    "PrintedMemory",
    "Region",
    "Regression",
    "RunError",
    "RunRecord",
    "SymbolSize",
    "Task",
    "TimeSource",
    "TunedEpoch",
    "TunedScore",
    "Verdict",
    "WorstVector",
]

RUN_SCHEMA: Final = "nnom-hil/run/3"
_SCHEMAS: Final = "nnom-hil/run/"
_EARLIER_SCHEMAS: Final = ("nnom-hil/run/1", "nnom-hil/run/2")
CONVERSION_SCHEMA: Final = "nnom-hil/conversion/2"
FINETUNE_SCHEMA: Final = "nnom-hil/finetune/1"
SYMBOLS: Final = 60
"""Most symbols of a firmware that are kept."""
WORST_VECTORS: Final = 12
"""Most vectors that are kept with their data."""

_Count = Annotated[int, Field(ge=0)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Value = Annotated[int, Field(ge=-128, le=127)]


class Verdict(StrEnum):
    """pass: all is well. fail: the target's answers are not. error: there are no full answers."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"


class Task(StrEnum):
    """What is judged, from the model's output and the labels (docs/data.md); none: no labels."""

    CLASSIFICATION = "classification"
    BINARY = "binary"
    MULTI_LABEL = "multi_label"
    REGRESSION = "regression"
    RECONSTRUCTION = "reconstruction"
    NONE = "none"

    @property
    def has_accuracy(self) -> bool:
        """Whether answers are right or wrong, so that there is a share of right ones."""
        return self in {Task.CLASSIFICATION, Task.BINARY, Task.MULTI_LABEL}

    @property
    def has_error(self) -> bool:
        """Whether answers are near to numbers or far from them."""
        return self in {Task.REGRESSION, Task.RECONSTRUCTION}

    @property
    def words(self) -> str:
        """The task as a reader is told it."""
        return (
            "no labels" if self is Task.NONE else self.value.replace("multi_label", "multi-label")
        )


class _Record(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_serialization_defaults_required=True,  # every field is written
    )


class Accuracy(_Record):
    """Shares of right answers, 0 to 1. top_k[i]: the label is among the first i+1 answers.

    Of several labels for each input, the share of all labels that are right; top_k is empty then.
    float: the float model's share, None where it is not known.
    """

    float_: Annotated[_Share | None, Field(alias="float")]
    quantised: _Share
    top_k: tuple[_Share, ...]


class LabelFigures(_Record):
    """One of several labels. accuracy: share of inputs it is right for. f1: 2 tp / (2 tp + fp +
    fn), None where it is neither given nor said.
    """

    accuracy: _Share
    f1: _Share | None


class MultiLabel(_Record):
    """Several labels for each input, on the target. f1: mean over the labels that have one.

    exact: share of inputs whose labels are all right, 0 to 1; float_exact, float_f1: the float
    model's.
    """

    labels: tuple[LabelFigures, ...]
    f1: _Share | None
    exact: _Share
    float_f1: _Share | None
    float_exact: _Share


class Deviation(_Record):
    """How far numbers are from others, in the model's own units, over all values.

    r2: 1 - squared error / squared deviation from the mean; None where that is zero.
    """

    mae: float
    rmse: float
    r2: float | None


class Regression(_Record):
    """Outputs against targets: of the target, and of the float model."""

    target: Deviation
    float_: Annotated[Deviation, Field(alias="float")]


class LayerRecord(_Record):
    """One layer in run order. dec: fraction bits, None where nothing told them.

    Of what it took there is what the record's time_source has, each the median of the timing runs:
    cycles and time_us of a core or the cycle model, instructions of an emulator, time_us alone of
    other clocks. spread_us: slowest - fastest. sqnr_db: power of the float signal over that of the
    int8 error on calibration data, decibels; saturated: share of float values beyond its ends.

    As the compile log printed it: elements_in and elements_out, of all inputs and outputs;
    scratch_bytes; blocks[i]: how many users block i of the record's memory has while the layer
    runs. From model_io_format() and model_stat(): dec_in and printed_rate, in MAC per microsecond.
    By the model's graph, held_bytes: of earlier layers' outputs that only later ones read.
    """

    name: str
    type: str
    activation: str | None
    shape: tuple[int, ...]
    dec: int | None
    macs: _Count
    time_us: _Amount | None = None
    spread_us: _Amount | None = None
    cycles: _Amount | None = None
    instructions: _Count | None = None
    sqnr_db: float | None = None
    saturated: _Share | None = None
    elements_in: _Count | None = None
    elements_out: _Count | None = None
    scratch_bytes: _Count | None = None
    held_bytes: _Count | None = None
    blocks: tuple[_Count, ...] = ()
    dec_in: int | None = None
    printed_rate: _Amount | None = None


class MemoryRecord(_Record):
    """Bytes. blocks: NNoM's shared buffers; network_buffers: what they take, or
    less where buffers are planned.
    """

    flash: _Count
    flash_available: _Count
    ram_static: _Count
    ram_heap: _Count | None
    ram_stack: _Count | None
    ram_available: _Count
    blocks: tuple[_Count, ...]
    network_buffers: _Count | None


class PrintedMemory(_Record):
    """What NNoM printed of its memory, in bytes; None and () where it printed none.

    blocks: its shared buffers, blocks_total their printed sum. network_buffers: what they take, or
    less where buffers are planned. total: all that it has allocated, at the end of the compile log;
    stat_total: the same when model_stat() ran. static: of its static allocator.
    """

    blocks: tuple[_Count, ...] = ()
    blocks_total: _Count | None = None
    network_buffers: _Count | None = None
    total: _Count | None = None
    stat_total: _Count | None = None
    static: _Count | None = None


class PrintedFigures(_Record):
    """What else NNoM printed that is no layer's, in the units it printed; None where it did not.

    time_source: of its times. version: of the library; model_version: of the header. rate: MAC per
    microsecond. Of prediction_summary(): frames, test_s, model_ms, average_us, average_rate,
    frames_per_s.
    """

    time_source: TimeSource = TimeSource.PRINTED
    version: str | None = None
    model_version: str | None = None
    data_format: str | None = None
    backend: str | None = None
    compile_ms: _Count | None = None
    time_us: _Count | None = None
    rate: _Amount | None = None
    frames: _Count | None = None
    test_s: _Count | None = None
    model_ms: _Count | None = None
    average_us: _Count | None = None
    average_rate: _Amount | None = None
    frames_per_s: _Amount | None = None


class Region(StrEnum):
    """Where a symbol takes room; both: data in RAM whose initial values are in flash."""

    FLASH = "flash"
    RAM = "ram"
    BOTH = "both"


class SymbolSize(_Record):
    """A function or object of the firmware, and its bytes."""

    name: str
    size: _Count
    region: Region


class WorstVector(_Record):
    """A vector whose answer is wrong or nearly so.

    truth, said: the classes, of a classification with one answer a vector and of a binary task.
    margin: how far the answer is from being another, in the model's own units: of classes the
    output of the true one (of the said one, without labels) over the best other, of yes and no the
    distance from the threshold, the smallest of several answers; negative where it is wrong. Of
    numbers it is the mean absolute error, against the targets or, without any, the float model.
    output: the target's int8 values; () where there are more than 1024. shape: the input's; input:
    its int8 values in Base64, None where they are more than 16 KiB. Values are int8 * 2^-dec, by
    the dec of the last and the first layer.
    """

    vector: _Count
    truth: int | None = None
    said: int | None = None
    margin: float
    output: tuple[_Value, ...] = ()
    shape: tuple[int, ...]
    input: str | None = None


class LinkRecord(_Record):
    """bytes_per_s: vector data, without framing, over the time of streaming, inference included.

    time_source: of these. inference_s: how long the model ran meanwhile, by the target's clock and
    the record's time_source; None where that clock is no core's or machine's. stream_bytes: sent
    for vectors, frames and all, vector_bytes of which are their data. byte_error: the share of
    bytes that the line damages, as it seemed; bound: the bytes that selective repeat sends for each
    byte of a vector on such a line (docs/protocol.md). Where a run was resumed, all figures are of
    its last part.
    """

    time_source: TimeSource = TimeSource.HOST
    seconds: _Amount
    inference_s: _Amount | None = None
    bytes_per_s: _Amount
    tx_bytes: _Count
    rx_bytes: _Count
    retransmitted: _Count
    damaged_by_target: _Count
    damaged_by_host: _Count
    rx_overruns: _Count
    resets: _Count
    reconnects: _Count = 0
    encoding: str = "raw"
    frames_sent: int = 0
    stream_bytes: int = 0
    vector_bytes: int = 0
    byte_error: float = 0.0
    bound: float = 1.0

    @property
    def over_bound(self) -> float:
        """Bytes sent for vectors over what selective repeat needs; 1 where nothing was sent."""
        needed = self.bound * self.vector_bytes
        return self.stream_bytes / needed if needed else 1.0


class CrossCheck(_Record):
    """What the target printed against what it returned and what was expected."""

    what: str
    ok: bool
    detail: str = ""


class Difference(_Record):
    """The first vector whose output is not the reference's."""

    vector: _Count
    expected: tuple[_Value, ...]
    got: tuple[_Value, ...]


class RunError(_Record):
    """Why a run did not end: the kind of error and its message."""

    kind: str
    message: str


class RunRecord(_Record):
    """One attempt, passed, failed or broken. core_hz: 0 where it is not known. notes: what the
    model's numbers do not say of themselves.

    task: what was judged; None in records from before there was a choice. agreement: share of
    inputs with the float model's answer, 0 to 1; against_float: the same for models that give
    numbers, after int8 was made numbers. max_error: the verdict is fail above this MAE.
    time_source: what every time of the record comes from, but for the link's own; error_percent:
    of an estimate, how far off its times may be; where_time_goes: of one, in words. total_*: of
    all layers.
    confusion[true][said]; of many classes there is none, but mistakes: the most frequent ones, as
    true class, said class, count. kernels: the form of each of the library's operations.

    To repeat it: command, its words; commit: of the tree in whose folder it was given, with
    "+changes" where files under git differ from it; tools and libraries: versions of programs and
    of the Python packages that computed; flags: of the compiler; conversion: the options.
    outputs_hash: SHA-256 of all output bytes in the order of the vectors, None where some are
    missing; vectors_hash: of the int8 inputs and their shape. sections: bytes of those that take
    room on the target; symbols: the largest, largest first. worst: of the vectors, worst first.
    printed_memory, printed: what NNoM itself printed, beside what was found out of it.
    """

    schema_: Annotated[Literal["nnom-hil/run/3"], Field(alias="schema")] = RUN_SCHEMA
    id: str
    started: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    error: RunError | None = None
    board: str
    board_title: str
    core_hz: _Count
    model: str
    model_hash: str | None = None
    image_id: str | None = None
    compat: bool = False
    notes: tuple[str, ...] = ()
    vectors: _Count = 0
    vectors_planned: _Count = 0
    outputs_equal: bool = False
    outputs_different: _Count = 0
    first_difference: Difference | None = None
    task: Task | None = None
    accuracy: Accuracy | None = None
    min_accuracy: _Share | None = None
    multi_label: MultiLabel | None = None
    regression: Regression | None = None
    max_error: _Amount | None = None
    agreement: _Share | None = None
    against_float: Deviation | None = None
    faults: str | None = None
    seed: int | None = None
    resumed: _Count = 0
    confusion: tuple[tuple[_Count, ...], ...] | None = None
    mistakes: tuple[tuple[_Count, _Count, _Count], ...] = ()
    time_source: TimeSource
    error_percent: _Amount | None = None
    timing_runs: _Count = 0
    total_time_us: _Amount | None = None
    total_cycles: _Amount | None = None
    total_instructions: _Count | None = None
    where_time_goes: tuple[str, ...] = ()
    layers: tuple[LayerRecord, ...] = ()
    macs: _Count | None = None
    flash_bytes: _Count | None = None
    ram_bytes: _Count | None = None
    memory: MemoryRecord | None = None
    link: LinkRecord | None = None
    cross_checks: tuple[CrossCheck, ...] = ()
    kernels: dict[str, str] = {}
    tools: dict[str, str] = {}
    command: tuple[str, ...] = ()
    commit: str | None = None
    libraries: dict[str, str] = {}
    flags: tuple[str, ...] = ()
    conversion: str | None = None
    outputs_hash: _Sha256 | None = None
    vectors_hash: _Sha256 | None = None
    sections: dict[str, _Count] = {}
    symbols: Annotated[tuple[SymbolSize, ...], Field(max_length=SYMBOLS)] = ()
    worst: Annotated[tuple[WorstVector, ...], Field(max_length=WORST_VECTORS)] = ()
    printed_memory: PrintedMemory | None = None
    printed: PrintedFigures | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_it_was_written(cls, document: Any) -> Any:
        """Take off the check of to_json; records of earlier versions have none.

        In those of run/1 an emulator's times are virtual microseconds, and stay what they are.
        What has a default since is not known of them.
        """
        if not isinstance(document, dict):
            return document
        if "check" in document:
            document = unseal(document)
        version = str(document.get("schema")).removeprefix(_SCHEMAS)
        if version.isdecimal() and int(version) > int(RUN_SCHEMA.removeprefix(_SCHEMAS)):
            raise ValueError(
                f"it was written by a newer nnom-hil, as {document['schema']}, and this one reads "
                f"records up to {RUN_SCHEMA}: update nnom-hil"
            )
        if document.get("schema") in _EARLIER_SCHEMAS:  # later ones only have more fields
            document = {**document, "schema": RUN_SCHEMA}
        return document

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse figures that contradict each other."""
        if self.vectors > self.vectors_planned and self.vectors_planned:
            raise ValueError(f"{self.vectors} answers to {self.vectors_planned} vectors")
        if self.outputs_different > self.vectors:
            raise ValueError(f"{self.outputs_different} of {self.vectors} outputs differ")
        if self.outputs_equal and (self.outputs_different or self.first_difference):
            raise ValueError("outputs are said to be equal and to differ")
        if (self.verdict is Verdict.PASS) != (not self.reasons and self.error is None):
            raise ValueError(f"the verdict {self.verdict} contradicts the reasons")
        if (self.verdict is Verdict.ERROR) != (self.error is not None):
            raise ValueError(f"the verdict {self.verdict} contradicts the error")
        self._check_times()
        return self

    def _check_times(self) -> None:
        """Refuse figures that their source cannot have."""
        source = self.time_source
        if (source is TimeSource.MODEL) != (self.error_percent is not None):
            raise ValueError("an estimate has an error_percent, and nothing else has one")
        of_layers = [(layer.time_us, layer.cycles, layer.instructions) for layer in self.layers]
        totals = (self.total_time_us, self.total_cycles, self.total_instructions)
        has_time, has_cycles, has_instructions = (
            any(amount is not None for amount in amounts)
            for amounts in zip(totals, *of_layers, strict=True)
        )
        if has_time and source is TimeSource.INSTRUCTIONS:
            raise ValueError("counted instructions are no time")
        if has_cycles and not source.has_cycles:
            raise ValueError(f"cycles cannot come from {source.words}")
        if has_instructions and source not in {TimeSource.INSTRUCTIONS, TimeSource.MODEL}:
            raise ValueError(f"instructions cannot come from {source.words}")

    def to_json(self) -> str:
        """Return the record as JSON text, keys sorted, with a check that tells of any change."""
        import json

        document = seal(self.model_dump(mode="json", by_alias=True))
        return json.dumps(document, sort_keys=True, indent=2) + "\n"


class ConvertedLayer(_Record):
    """One converted layer. weight_bytes: weights and biases. sqnr_db: power of the float signal
    over that of the int8 error, in decibels; saturated: share of float values beyond its ends.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    dec: int
    macs: int
    weight_bytes: int
    largest: float | None = None
    sqnr_db: float | None = None
    saturated: float | None = None


class BoardFit(_Record):
    """What firmware with a model takes of a board, in bytes; None what is not known, as why tells.

    ram_static: .data and .bss. ram_heap, ram_stack: the most that was used on an emulated core.
    """

    flash: _Count | None = None
    flash_available: _Count
    ram_static: _Count | None = None
    ram_heap: _Count | None = None
    ram_stack: _Count | None = None
    ram_available: _Count
    fits: bool | None = None
    why: str = ""

    @property
    def ram(self) -> int | None:
        """All of it together, as a run's ram_bytes."""
        parts = (self.ram_static, self.ram_heap, self.ram_stack)
        return None if None in parts else sum(part or 0 for part in parts)


class TunedScore(_Record):
    """What a quantised graph answers to some vectors.

    agreement: share of the float model's answers, 0 to 1, None where there are none to choose from.
    sqnr_db: of the outputs. accuracy, float_accuracy: of it and of the float model, where there are
    labels.
    """

    agreement: float | None
    sqnr_db: float | None
    accuracy: float | None = None
    float_accuracy: float | None = None


class TunedEpoch(_Record):
    """One epoch of training, counted from 1. held: on vectors that are not trained with."""

    epoch: int
    loss: float
    held: TunedScore


class FineTuned(_Record):
    """What became of one seed. best_epoch: 0 where nothing was better than the start."""

    seed: int
    best_epoch: int
    best: TunedScore
    epochs: tuple[TunedEpoch, ...]


class FineTuneRecord(_Record):
    """What became of fine-tuning a model. output: the file written, None where there is none.

    trained, held, tested: vectors. start: the conversion that was begun with; best: the best of all
    seeds, both on held-out vectors. test_start, test_best: the same two on vectors that decided
    nothing, where there were some. model_hash: of what was kept.
    """

    schema_: Annotated[Literal["nnom-hil/finetune/1"], Field(alias="schema")] = FINETUNE_SCHEMA
    tool_version: str
    model: str
    model_hash: str
    output: str | None
    options: str
    trained: int
    held: int
    tested: int
    epochs: int
    batch: int
    learning_rate: float
    start: TunedScore
    seeds: tuple[FineTuned, ...]
    best: TunedScore
    test_start: TunedScore | None = None
    test_best: TunedScore | None = None
    improved: bool
    interrupted: bool = False
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


class ConversionRecord(_Record):
    """What became of a model. weight_bytes: of all layers; activation_bytes: the most that is
    alive at once. agreement: share of inputs with the same answer in int8 as in float, 0 to 1.
    advice: what was lost, and what would help.
    """

    schema_: Annotated[Literal["nnom-hil/conversion/2"], Field(alias="schema")] = CONVERSION_SCHEMA
    tool_version: str
    model: str
    model_hash: str
    options: str
    header: str | None
    layers: tuple[ConvertedLayer, ...]
    macs: int
    weight_bytes: int
    activation_bytes: int
    samples: int | None = None
    agreement: float | None = None
    advice: str | None = None
    notes: tuple[str, ...] = ()
    boards: dict[str, BoardFit] = Field(default_factory=dict)

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
