"""Results that others have published of a core: data files, each with its source."""

from typing import Annotated, Literal

from pydantic import Field

from nnom_hil.boards.schema import Cpu, Facts, Hertz, load_facts
from nnom_hil.paths import boards_dir

__all__ = ["PublishedRow", "PublishedTable", "published_mlperf"]

_Rate = Annotated[float, Field(gt=0, strict=False)]
_Text = Annotated[str, Field(min_length=1, max_length=100)]


class PublishedRow(Facts):
    """One submission: inferences a second of each benchmark; folder: where its results lie."""

    round: _Text
    submitter: _Text
    folder: _Text
    board: _Text
    core: Annotated[Cpu, Field(strict=False)]
    clock_hz: Hertz
    ic01: _Rate | None = None
    ad01: _Rate | None = None
    kws01: _Rate | None = None
    vww01: _Rate | None = None


class PublishedTable(Facts):
    """A benchmark's results."""

    schema_: Annotated[Literal["nnom-hil/published/1"], Field(alias="schema")]
    title: _Text
    source: Annotated[str, Field(min_length=1, max_length=400)]
    results: Annotated[list[PublishedRow], Field(min_length=1)]


def published_mlperf() -> PublishedTable:
    """Return MLPerf Tiny's published results; raises BoardError where the file is wrong."""
    return load_facts(boards_dir() / "published" / "mlperf_tiny.toml", PublishedTable, "results")
