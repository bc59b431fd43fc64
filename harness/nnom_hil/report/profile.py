"""A profile for a terminal, and as pictures for a page: stacked bars and a flame graph."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from nnom_hil.profiles import ProfiledLayer, ProfileRecord
from nnom_hil.report.figures import percent, thousands
from nnom_hil.report.grid import Grid

__all__ = ["Box", "flames", "print_profile", "profile_values"]

_FUNCTIONS_SHOWN: Final = 12
_NARROWEST: Final = 0.0005
"""Of the whole picture; what is narrower is left out, and cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box of a flame graph. depth: 0 the model, 1 a layer, 2 a function, 3 a class.

    left, width: shares of the whole. name: what it says; kind: what it is coloured by.
    """

    depth: int
    left: float
    width: float
    name: str
    kind: str
    instructions: int


def flames(record: ProfileRecord) -> list[Box]:
    """Return the flame graph's boxes: the model over its layers over functions over classes."""
    total = record.instructions
    boxes: list[Box] = []

    def put(depth: int, start: int, name: str, kind: str, instructions: int) -> None:
        if total and instructions / total >= _NARROWEST:
            box = Box(
                depth=depth,
                left=start / total,
                width=instructions / total,
                name=name,
                kind=kind,
                instructions=instructions,
            )
            boxes.append(box)

    put(0, 0, record.model, "model", total)
    layer_start = 0
    for layer in record.layers:
        put(1, layer_start, layer.name, "layer", layer.instructions)
        start = layer_start
        for function in layer.functions:
            put(2, start, function.name, "function", function.instructions)
            for name, count in function.classes.items():
                put(3, start, name, css_class(name), count)
                start += count
        layer_start += layer.instructions
    return boxes


def css_class(name: str) -> str:
    """Return a class of instructions as a word that CSS can select by."""
    return name.lower().replace(" ", "-")


def profile_values(record: ProfileRecord | None) -> dict[str, object]:
    """Return what the templates ask for, of a profile or of none."""
    if record is None:
        return {"profile": None}
    classes = list(record.classes)
    return {
        "profile": record,
        "profile_cycles": "" if record.cycles is None else cycles_heading(record),
        "classes": [(name, css_class(name)) for name in classes],
        "flames": flames(record),
        "bars": [(layer, list(_bar(layer, classes))) for layer in record.layers],
        "functions": record.functions[:_FUNCTIONS_SHOWN],
    }


def _bar(layer: ProfiledLayer, classes: Iterable[str]) -> Iterator[tuple[str, str, float]]:
    """Yield each class's name, CSS class and share of the layer, in one order for all layers."""
    counts = layer.classes
    for name in classes:
        if name in counts:
            yield name, css_class(name), counts[name] / layer.instructions


def print_profile(record: ProfileRecord, console: Console) -> None:
    """Print what each layer ran, of which classes it was, and which functions took most."""
    total = record.instructions or 1
    console.print(_layers(record, total))
    if record.classes:
        console.print(_classes(record))
        console.print(_functions(record, total))
    place = "" if record.counted_on == record.board else f" of board {record.counted_on}"
    console.print(
        f"counted exactly in {record.emulator}{place}, {record.core}", highlight=False, markup=False
    )
    for note in record.notes:
        console.print(note, highlight=False, markup=False)


def _table(title: str, left: Iterable[str], right: Iterable[str]) -> Table:
    table = Grid(title=title, title_justify="left", spare=tuple(reversed(tuple(right))))
    for heading in left:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def _layers(record: ProfileRecord, total: int) -> Table:
    table = _table(
        f"{record.model} on {record.board}, one inference",
        ("layer",),
        (
            *("MAC", "instructions", "share", "per MAC", "taken\nbranches"),
            *([cycles_heading(record).replace(" ", "\n", 2)] if record.cycles is not None else []),
        ),
    )
    for layer in record.layers:
        table.add_row(
            layer.name,
            thousands(layer.macs) if layer.macs else "",
            thousands(layer.instructions),
            percent(layer.instructions / total),
            _each(layer.instructions, layer.macs),
            thousands(layer.taken),
            *([thousands(layer.cycles)] if record.cycles is not None else []),
        )
    table.add_section()
    taken = [layer.taken for layer in record.layers if layer.taken is not None]
    table.add_row(
        "total",
        thousands(record.macs),
        thousands(record.instructions),
        "",
        _each(record.instructions, record.macs),
        thousands(sum(taken) if taken else None),
        *([thousands(record.cycles)] if record.cycles is not None else []),
    )
    return table


def cycles_heading(record: ProfileRecord) -> str:
    """Return the heading of a column of estimated cycles, with their source and error."""
    return f"cycles, model ±{record.error_percent:.3g} %"


def _each(instructions: int, macs: int) -> str:
    return f"{instructions / macs:.2f}" if macs else ""


def _classes(record: ProfileRecord) -> Table:
    classes = record.classes
    table = _table("classes of instructions, % of each layer", ("layer",), classes)
    for layer in record.layers:
        shares = [layer.classes.get(name, 0) / layer.instructions for name in classes]
        table.add_row(layer.name, *(_short(share) for share in shares))
    table.add_section()
    total = record.instructions
    table.add_row("total", *(_short(count / total) for count in classes.values()))
    return table


def _short(share: float) -> str:
    return f"{100 * share:.1f}" if share else ""


def _functions(record: ProfileRecord, total: int) -> Table:
    shown = record.functions[:_FUNCTIONS_SHOWN]
    left_out = len(record.functions) - len(shown)
    table = _table(
        "functions, without what they call", ("function",), ("instructions", "share", "taken")
    )
    for function in shown:
        table.add_row(
            function.name,
            thousands(function.instructions),
            percent(function.instructions / total),
            thousands(function.taken),
        )
    if left_out:
        rest = record.functions[_FUNCTIONS_SHOWN:]
        amount = sum(function.instructions for function in rest)
        table.add_row(f"{left_out} others", thousands(amount), percent(amount / total), "")
    return table
