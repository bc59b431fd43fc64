"""What a run of MLPerf Tiny's benchmarks has found, beside what others have published."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MLPERF_SCHEMA", "MlperfRecord", "MlperfRow", "PublishedResult"]

MLPERF_SCHEMA: Final = "nnom-hil/mlperf/1"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublishedResult(_Frozen):
    """One submission: inferences a second by benchmark."""

    round: str
    submitter: str
    board: str
    core: str
    clock_hz: int
    per_second: dict[str, float]


class MlperfRow(_Frozen):
    """One benchmark.

    samples: files of the data set; stimuli: what of them was sent, results_equal: how many answers
    are the reference's. top1: share of right classes; auc: one against rest, mean of the classes;
    None where that cannot be told. runs: inferences of a window; per_second: of each window, by
    the device's clock. ram: static, heap and stack, bytes; None where it is not known. cycles: of
    an inference, estimated, right within error_percent.
    """

    benchmark: str
    title: str
    model: str
    model_hash: str
    macs: int
    samples: int = 0
    stimuli: int = 0
    results_equal: int = 0
    top1: float | None = None
    auc: float | None = None
    runs: int = 0
    warm_up: int = 0
    per_second: list[float] = Field(default_factory=list)
    median_per_second: float | None = None
    flash: int | None = None
    ram: int | None = None
    cycles: float | None = None
    error_percent: float | None = None
    core_hz: int | None = None
    notes: list[str] = Field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether every answer was the reference's."""
        return self.results_equal == self.stimuli


class MlperfRecord(_Frozen):
    """All benchmarks on one board. clock: the source of the device's time; clock_words: what it
    counts. missing: what there was
    no model or data of, and where to get it. published: of the same core.
    """

    schema_: Literal["nnom-hil/mlperf/1"] = Field(default=MLPERF_SCHEMA, alias="schema")
    board: str
    core: str
    target: str
    clock: str
    clock_words: str
    rows: list[MlperfRow]
    missing: dict[str, str] = Field(default_factory=dict)
    published: list[PublishedResult] = Field(default_factory=list)
    source: str = ""

    def to_json(self) -> str:
        """Return the record as JSON."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"

    def best_published(self, benchmark: str) -> PublishedResult | None:
        """Return the submission that makes the most of a cycle of this core."""
        known = [p for p in self.published if benchmark in p.per_second]
        return max(known, key=lambda p: p.per_second[benchmark] / p.clock_hz, default=None)
