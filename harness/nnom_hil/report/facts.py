"""A run's figures as one flat list, so that two runs, or many, can be put side by side."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nnom_hil.errors import UsageError
from nnom_hil.records import RunRecord
from nnom_hil.report.figures import confidence, percent, printed, thousands
from nnom_hil.times import TimeSource, check_comparable

__all__ = ["Fact", "Part", "Relation", "Side", "compare", "facts_of"]

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
        ("accuracy of Keras float", accuracy.float_ if accuracy else None, "share"),
        ("all labels right", several.exact if several else None, "share"),
        ("F1", several.f1 if several else None, ""),
        ("mean absolute error", numbers.target.mae if numbers else None, ""),
        ("mean absolute error of Keras float", numbers.float_.mae if numbers else None, ""),
        ("same answer as Keras float", record.agreement, "share"),
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


# ---- two runs


class Relation(StrEnum):
    """What two runs' values of a figure are to each other."""

    SAME = "same"
    DIFFERS = "differs"
    ONE_SIDED = "one has none"
    APART = "not comparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A figure of two runs, None where one has none. why: they cannot be compared, else empty."""

    one: Fact | None
    other: Fact | None
    relation: Relation
    why: str = ""

    @property
    def fact(self) -> Fact:
        """Either of them, for what both have: part, name, figure and unit."""
        found = self.one or self.other
        assert found is not None
        return found

    @property
    def change(self) -> float | None:
        """The other's value over the one's, less 1; None of what is no ratio, or not comparable."""
        if self.relation is Relation.APART or self.one is None or self.other is None:
            return None
        before, after = self.one.value, self.other.value
        if isinstance(before, str) or isinstance(after, str) or not before or after is None:
            return None
        return after / before - 1

    @property
    def change_text(self) -> str:
        """The change in words, empty where both are the same."""
        if self.relation is not Relation.DIFFERS:
            return "" if self.relation is Relation.SAME else str(self.relation)
        return "differs" if self.change is None else f"{100 * self.change:+.2f} %"


_OF_THE_MOMENT: Final = {Part.LINK}
"""What differs from one run to the next without meaning anything."""


def compare(one: RunRecord, other: RunRecord) -> list[Side]:
    """Return the figures of two runs side by side, in the order of a report.

    Layers are put together by name, those of one name in order. Times of different sources, or of
    unknown clocks, stand there without being compared.
    """
    sides = []
    left, right = _keyed(facts_of(one)), _keyed(facts_of(other))
    for key in _merged(list(left), list(right)):
        sides.append(_side(left.get(key), right.get(key)))
    return sides


_Key = tuple[Part, str, str, int]


def _keyed(facts: list[Fact]) -> dict[_Key, Fact]:
    keyed: dict[_Key, Fact] = {}
    seen: Counter[tuple[Part, str, str]] = Counter()
    for fact in facts:
        if fact.part in _OF_THE_MOMENT or fact.figure == "run":
            continue
        key = (fact.part, fact.name, fact.figure)
        keyed[*key, seen[key]] = fact
        seen[key] += 1
    return keyed


def _merged(left: list[_Key], right: list[_Key]) -> list[_Key]:
    """Return the keys of both, part by part; what only the right has follows its neighbour."""
    order = {part: number for number, part in enumerate(Part)}
    places = {key: float(number) for number, key in enumerate(left)}
    last = -1.0
    for number, key in enumerate(right):
        if key in places:
            last = places[key]
        else:
            places[key] = last + (number + 1) / (2 * len(right) + 2)
    return sorted(places, key=lambda key: (order[key[0]], places[key]))


def _side(one: Fact | None, other: Fact | None) -> Side:
    if one is None or other is None:
        return Side(one=one, other=other, relation=Relation.ONE_SIDED)
    if one.source is not None and other.source is not None:
        try:
            check_comparable(one.source, other.source)
        except UsageError as exc:
            return Side(one=one, other=other, relation=Relation.APART, why=str(exc))
    same = one.value == other.value
    return Side(one=one, other=other, relation=Relation.SAME if same else Relation.DIFFERS)
