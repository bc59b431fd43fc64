"""The summary at the end of a run, for a terminal."""

from collections.abc import Callable
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from nnom_hil.records import RunRecord
from nnom_hil.report.figures import (
    headline,
    judged,
    kernels_in_words,
    layer_figures,
    measure_of,
    percent,
    printed,
    size,
    thousands,
    total_amount,
    total_rate,
)
from nnom_hil.report.grid import Grid
from nnom_hil.report.screen import Screen
from nnom_hil.report.writing import STYLES
from nnom_hil.times import TimeSource

__all__ = ["as_text", "print_summary", "run_text", "summary"]


def print_summary(record: RunRecord, console: Console) -> None:
    """Print the summary; the verdict is a line of its own, however narrow the terminal is."""
    console.print(summary(record))
    verdict = Text("verdict: ")
    verdict.append(record.verdict.upper(), style=STYLES[record.verdict])
    console.print(verdict, soft_wrap=True)


def as_text(show: Callable[[Console], None]) -> str:
    """Return what is shown on a console of 100 columns, as text for a file."""
    text = StringIO()
    show(Screen(text, width=100, color_system=None))
    return text.getvalue()


def run_text(record: RunRecord) -> str:
    """Return the summary with its verdict as text, named: a file has no command above it."""
    title = Text(f"{record.model} on {record.board}, run {record.id}")

    def show(console: Console) -> None:
        console.print(title, soft_wrap=True)
        print_summary(record, console)

    return as_text(show)


def summary(record: RunRecord) -> RenderableType:
    """Return the summary but for the verdict, as something rich can print."""
    parts: list[RenderableType] = []
    if record.layers:
        parts.append(_layers(record))
    parts.append(_facts(record))
    if record.where_time_goes:
        parts.append(Text(f"where the time goes ({measure_of(record).source}):"))
    parts += [Text(f"  {line}") for line in record.where_time_goes]
    parts += [Text(note) for note in record.notes]
    parts += [Text(f"  {reason}", style="red") for reason in record.reasons]
    return Group(*parts)


def _layers(record: RunRecord) -> Table:
    measure = measure_of(record)
    digits = 1 if measure.unit == "µs" else 0
    table = Grid(
        spare=("spread", "output", "MAC"),
        title=f"{record.model} on {record.board}",
        caption=f"{measure.source}: {measure.note}",
        caption_justify="left",
    )
    for heading in ("layer", "type", "output"):
        table.add_column(heading, overflow="fold")
    spread = any(layer.spread_us for layer in record.layers)
    headings = ["MAC", measure.heading, *(["spread"] if spread else []), "share"]
    for heading in (*headings, *([measure.rate_heading] if measure.rate else [])):
        table.add_column(heading, justify="right")
    for f in layer_figures(record):
        layer = f.layer
        kind = layer.type if layer.activation is None else f"{layer.type}+{layer.activation}"
        table.add_row(
            layer.name,
            kind,
            "×".join(map(str, layer.shape)),
            thousands(layer.macs) if layer.macs else "",
            thousands(f.amount, digits),
            *([thousands(layer.spread_us, 1)] if spread else []),
            percent(f.share),
            *([_rate(f.rate)] if measure.rate else []),
        )
    table.add_section()
    total = thousands(total_amount(record), digits)
    cells = ["total", "", "", thousands(record.macs), total, *([""] if spread else []), ""]
    table.add_row(*cells, *([_rate(total_rate(record))] if measure.rate else []))
    return table


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.3f}"


def _facts(record: RunRecord) -> Table:
    table = Table.grid(padding=(0, 2))
    if record.layers:
        what, amount = headline(record)
        table.add_row(what, f"{amount} ({measure_of(record).source})")
    if record.vectors:
        equal = record.vectors - record.outputs_different
        table.add_row("outputs equal the reference", f"{equal} of {record.vectors}")
    for what, figure in judged(record):
        table.add_row(what, figure)
    if record.memory:
        memory = record.memory
        table.add_row("flash", f"{size(memory.flash)} of {size(memory.flash_available)}")
        table.add_row("RAM", f"{size(record.ram_bytes)} of {size(memory.ram_available)}")
    if record.kernels:
        table.add_row("kernels", kernels_in_words(record.kernels))
    if record.link:
        link = record.link
        rate = f"{link.bytes_per_s / 1000:.1f} kB/s (host) of vector data, inference included"
        if link.inference_s is not None:
            rate += f"; {link.inference_s:.2f} s ({measure_of(record).source}) the model ran"
        table.add_row("link", f"{rate}; {link.retransmitted} sent again, {link.resets} resets")
        if link.retransmitted and link.vector_bytes:
            table.add_row(
                "line",
                f"about {link.byte_error:.2%} of the bytes are damaged; "
                f"{link.stream_bytes / link.vector_bytes:.2f} bytes sent for each one of a vector, "
                f"{link.over_bound:.2f} times what selective repeat needs on such a line",
            )
    if record.faults:
        table.add_row("planted faults", f"{record.faults}, seed {record.seed}")
    if record.resumed:
        table.add_row("resumed", f"{record.resumed} vectors were answered before")
    for what, figure in printed(record):
        table.add_row(f"printed: {what}", figure)
    if record.cross_checks:
        agreeing = sum(check.ok for check in record.cross_checks)
        what = "printed against returned"
        if record.time_source is TimeSource.PRINTED:  # there is nothing but what was printed
            what = "tables against each other"
        table.add_row(what, f"{agreeing} of {len(record.cross_checks)} agree")
    return table
