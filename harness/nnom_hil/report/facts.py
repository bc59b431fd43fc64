"""A run's figures as one flat list, so that two runs, or many, can be put side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from nnom_hil.records import RunRecord
from nnom_hil.report.figures import confidence, percent, printed, thousands
from nnom_hil.times import TimeSource

__all__ = ["Fact", "Part", "facts_of"]

Value = str | int | float | None


class Part(StrEnum):
    """What a figure belongs to."""

    IDENTITY = "identity"
    RESULT = "result"
    TIME = "time"
    MEMORY = "memory"
    LAYER = "layer"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One figure. name: the layer's, or the tool's. unit: of a number; share is 0 to 1. source: of
    a time and of what is made from one; None of all else. band: an estimate's error, per cent.
    """

    part: Part
    name: str
    figure: str
    value: Value
    unit: str = ""
    source: TimeSource | None = None
    band: float | None = None

    @property
    def what(self) -> str:
        """Name and figure, for a reader."""
        return f"{self.name}: {self.figure}" if self.name else self.figure

    @property
    def text(self) -> str:
        """The value as it is written, with its unit, and its source where it has one."""
        return f"{self._amount} ({self.source_words})" if self.source else self._amount

    @property
    def source_words(self) -> str:
        """The source with an estimate's error, empty where there is none."""
        if self.source is None:
            return ""
        return self.source.words if self.band is None else f"{self.source.words} ±{self.band:.3g} %"

    @property
    def _amount(self) -> str:
        match self.value, self.unit:
            case None, _:
                return "–"
            case str(text), _:
                return text
            case float(share) | int(share), "share":
                return percent(share)
            case int(count), unit:
                return f"{thousands(count)} {unit}".rstrip()
            case float(number), unit:
                digits = 1 if self.source else 4
                return f"{thousands(number, digits)} {unit}".rstrip()
        raise AssertionError(self)


def facts_of(record: RunRecord) -> list[Fact]:
    """Return all figures of a record that it has, in the order of a report."""
    return [
        *_identity(record),
        *_results(record),
        *_times(record),
        *_memory(record),
        *_layers(record),
        *_link(record),
    ]


def _known(part: Part, *rows: tuple[str, Value, str]) -> Iterator[Fact]:
    for figure, value, unit in rows:
        if value is not None:
            yield Fact(part=part, name="", figure=figure, value=value, unit=unit)


def _identity(record: RunRecord) -> Iterator[Fact]:
    yield from _known(
        Part.IDENTITY,
        ("run", record.id, ""),
        ("board", record.board, ""),
        ("core clock", record.core_hz or None, "Hz"),
        ("model", record.model, ""),
        ("model hash", record.model_hash, ""),
        ("conversion", record.conversion, ""),
        ("image", record.image_id, ""),
        ("vectors' hash", record.vectors_hash, ""),
        ("commit", record.commit, ""),
        ("compiler's flags", " ".join(record.flags) or None, ""),
        ("NNoM 0.4.3's bytes", "yes" if record.compat else "no", ""),
    )
    for figure, known in (
        ("version", record.tools),
        ("kernel", record.kernels),
        ("version", record.libraries),
    ):
        for name, value in sorted(known.items()):
            yield Fact(part=Part.IDENTITY, name=name, figure=figure, value=value)


def _results(record: RunRecord) -> Iterator[Fact]:
    accuracy, several, numbers = record.accuracy, record.multi_label, record.regression
    low, high = confidence(record) or (None, None)
    yield from _known(
        Part.RESULT,
        ("verdict", str(record.verdict), ""),
        ("judged as", record.task.words if record.task else None, ""),
        ("vectors", record.vectors, ""),
        ("vectors planned", record.vectors_planned, ""),
        ("outputs that differ from the reference", record.outputs_different, ""),
        ("outputs' hash", record.outputs_hash, ""),
        ("accuracy", accuracy.quantised if accuracy else None, "share"),
        ("accuracy, lower end of 95 %", low, "share"),
        ("accuracy, upper end of 95 %", high, "share"),
        ("accuracy of the float model", accuracy.float_ if accuracy else None, "share"),
        ("all labels right", several.exact if several else None, "share"),
        ("F1", several.f1 if several else None, ""),
        ("mean absolute error", numbers.target.mae if numbers else None, ""),
        ("mean absolute error of the float model", numbers.float_.mae if numbers else None, ""),
        ("same answer as the float model", record.agreement, "share"),
    )
    for check in record.cross_checks:
        agrees = "agrees" if check.ok else "disagrees"
        yield Fact(part=Part.RESULT, name=check.what, figure="printed", value=agrees)
    for what, text in printed(record):
        yield Fact(part=Part.RESULT, name=what, figure="printed", value=text)


def _times(record: RunRecord) -> Iterator[Fact]:
    yield from _amounts(
        Part.TIME,
        "",
        record,
        (record.total_time_us, record.total_cycles, record.total_instructions),
    )
    yield from _known(Part.TIME, ("MACs", record.macs, ""))


def _amounts(
    part: Part,
    name: str,
    record: RunRecord,
    amounts: tuple[float | None, float | None, int | None],
) -> Iterator[Fact]:
    """Yield time, cycles and instructions; these are counted exactly, whatever an estimate says."""
    of_record, band = record.time_source, record.error_percent
    figures = (
        ("time", "µs", of_record, band),
        ("cycles", "", of_record, band),
        ("instructions", "", TimeSource.INSTRUCTIONS, None),
    )
    for value, (figure, unit, source, error) in zip(amounts, figures, strict=True):
        if value is not None:
            yield Fact(
                part=part, name=name, figure=figure, value=value, unit=unit, source=source,
                band=error,
            )  # fmt: skip


def _memory(record: RunRecord) -> Iterator[Fact]:
    memory = record.memory
    yield from _known(
        Part.MEMORY, ("flash", record.flash_bytes, "B"), ("RAM", record.ram_bytes, "B")
    )
    if memory is not None:
        yield from _known(
            Part.MEMORY,
            ("flash of the board", memory.flash_available, "B"),
            ("RAM of the board", memory.ram_available, "B"),
            ("static RAM", memory.ram_static, "B"),
            ("heap", memory.ram_heap, "B"),
            ("stack", memory.ram_stack, "B"),
            ("network buffers", memory.network_buffers, "B"),
        )
    for name, count in sorted(record.sections.items()):
        yield Fact(part=Part.MEMORY, name=name, figure="section", value=count, unit="B")


def _layers(record: RunRecord) -> Iterator[Fact]:
    for layer in record.layers:
        yield from _amounts(
            Part.LAYER, layer.name, record, (layer.time_us, layer.cycles, layer.instructions)
        )
        kind = layer.type + (f" + {layer.activation}" if layer.activation else "")
        for figure, value, unit in (
            ("type", kind, ""),
            ("output", "×".join(map(str, layer.shape)), ""),
            ("fraction bits", layer.dec, ""),
            ("MACs", layer.macs, ""),
            ("SQNR", layer.sqnr_db, "dB"),
            ("saturated", layer.saturated, "share"),
        ):
            if value is not None:
                yield Fact(part=Part.LAYER, name=layer.name, figure=figure, value=value, unit=unit)


def _link(record: RunRecord) -> Iterator[Fact]:
    if (link := record.link) is None:
        return
    host = link.time_source
    for figure, value, unit in (
        ("streaming", link.seconds, "s"),
        ("vector data", link.bytes_per_s, "B/s"),
    ):
        yield Fact(part=Part.LINK, name="", figure=figure, value=value, unit=unit, source=host)
    yield from _known(
        Part.LINK,
        ("bytes sent", link.tx_bytes, "B"),
        ("bytes received", link.rx_bytes, "B"),
        ("sent again", link.retransmitted, ""),
        ("resets", link.resets, ""),
    )
