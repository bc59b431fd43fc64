"""What is to be said of a conversion: for a terminal, and as a page with a picture."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nnom_hil.records import BoardFit, ConversionRecord, ConvertedLayer
from nnom_hil.report.figures import decibels, percent, size, thousands
from nnom_hil.report.grid import Grid
from nnom_hil.report.html import render_page

__all__ = ["print_layers", "print_quality", "render_quality"]

_GOOD_DB, _POOR_DB = 20.0, 10.0
_MANY_SATURATED = 0.01


def grade(layer: ConvertedLayer) -> str:
    """Return good, fair or poor, by the layer's ratio of signal to error."""
    if layer.sqnr_db is None or layer.sqnr_db >= _GOOD_DB:
        return "good"
    return "fair" if layer.sqnr_db >= _POOR_DB else "poor"


def _table(record: ConversionRecord) -> Table:
    table = Grid(title=record.model, spare=("weights", "output", "saturated"))
    for heading in ("layer", "type", "output"):
        table.add_column(heading, overflow="fold")
    for heading in ("MAC", "weights"):
        table.add_column(heading, justify="right")
    return table


def _cells(layer: ConvertedLayer) -> list[str]:
    shape = "×".join(map(str, layer.shape))
    weights = size(layer.weight_bytes) if layer.weight_bytes else "–"
    return [layer.name, layer.type, shape, thousands(layer.macs or None), weights]


def print_quality(record: ConversionRecord, console: Console) -> None:
    """Print each layer's format and how well it follows the float model."""
    table = _table(record)
    for heading in ("format", "SQNR", "saturated"):
        table.add_column(heading, justify="right")
    styles = {"good": "", "fair": "yellow", "poor": "red"}
    for layer in record.layers:
        ratio = Text(decibels(layer.sqnr_db), style=styles[grade(layer)])
        table.add_row(
            *_cells(layer), f"Q{7 - layer.dec}.{layer.dec}", ratio, percent(layer.saturated)
        )
    console.print(table)
    _print_totals(record, console)
    last = record.layers[-1]
    if last.sqnr_db is not None:
        console.print(f"output layer {last.name}: SQNR {decibels(last.sqnr_db)}", highlight=False)
    for note in record.notes:
        console.print(note, highlight=False)
    if record.advice is not None:
        console.print(record.advice, highlight=False, soft_wrap=True)


def print_layers(record: ConversionRecord, console: Console) -> None:
    """Print the layers, the totals and what each board would hold of them."""
    table = _table(record)
    for layer in record.layers:
        table.add_row(*_cells(layer))
    console.print(table)
    _print_totals(record, console)
    if record.boards:
        _print_fits(record.boards, console)


def _print_fits(fits: Mapping[str, BoardFit], console: Console) -> None:
    """Print a line a board: bytes of flash and of RAM, and what the latter are."""
    table = Grid(spare=("heap", "stack", "static"))
    table.add_column("board", overflow="fold")
    for heading in ("flash", "", "RAM", "", "static", "heap", "stack"):
        table.add_column(heading, justify="right", no_wrap=True)
    for board, fit in fits.items():
        table.add_row(
            board,
            *_of(fit.flash, fit.flash_available),
            *_of(fit.ram, fit.ram_available),
            *map(thousands, (fit.ram_static, fit.ram_heap, fit.ram_stack)),
            style="red" if fit.fits is False else "",
        )
    console.print(table)
    console.print("bytes, as a run will measure them", highlight=False)
    for board, fit in fits.items():
        if fit.why:
            console.print(f"{board}: {fit.why}", highlight=False, soft_wrap=True)


def _of(used: int | None, available: int) -> tuple[str, str]:
    return thousands(used), "" if used is None else f"{100 * used / available:.0f} %"


def _print_totals(record: ConversionRecord, console: Console) -> None:
    console.print(
        f"{thousands(record.macs)} MAC, weights {size(record.weight_bytes)}, "
        f"activations {size(record.activation_bytes)} at most",
        highlight=False,
    )


def render_quality(record: ConversionRecord) -> str:
    """Return the page, one file."""
    highest = max((layer.sqnr_db or 0.0 for layer in record.layers), default=0.0)
    return render_page(
        "quality.html.j2",
        {"decibels": decibels, "grade": grade},
        record=record,
        scale=max(highest, 10.0),
        many=_MANY_SATURATED,
        ticks=range(0, 101, 10),
    )
