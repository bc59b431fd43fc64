"""An explanation for a reader: on a terminal, and as a page with pictures."""

import shlex
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nnom_hil.explanations import ExplainedLayer, Explanation, Finding
from nnom_hil.records import WorstVector
from nnom_hil.report.charts import Value, lines, stacked_bars
from nnom_hil.report.figures import decibels, percent, thousands
from nnom_hil.report.grid import Grid
from nnom_hil.report.html import render_page
from nnom_hil.report.pictures import picture

__all__ = ["print_explanation", "render_explanation"]

_STYLES: Final = {"certain": "bold red", "likely": "red", "possible": "yellow"}
_BIN: Final = 8
_FIRST: Final = -192
_HISTOGRAMS: Final = 4
_MARK: Final = "wrong on its own"
_BEHIND: Final = "wrong by what came before"
_RATIO: Final = "float to int8 reference"


def print_explanation(found: Explanation, console: Console) -> None:
    """Print what is wrong, by what evidence, and what to do; or that nothing is."""
    for finding in found.findings:
        _print_finding(finding, console)
    if any(layer.compared or layer.sqnr_db is not None for layer in found.layers):
        console.print(_table(found))
    if found.is_healthy:
        console.print(Text("healthy: no cause of wrong answers was found", style="bold green"))
    for line in _accuracies(found):
        console.print(line, highlight=False, soft_wrap=True)
    console.print("checked:", highlight=False)
    for line in found.checked:
        console.print(Padding(Text(line), (0, 0, 0, 2)))
    for trial in found.trials:
        console.print(f"  tried {trial.what}: {trial.result}", highlight=False, soft_wrap=True)
    if found.reproducer is not None:
        again = shlex.join(["nnom-hil", "replay", found.reproducer])
        console.print(f"reproducer: {again}", highlight=False, soft_wrap=True)


def _print_finding(finding: Finding, console: Console) -> None:
    style = _STYLES[finding.confidence] if finding.is_fault else "dim"
    kind = finding.confidence.value if finding.is_fault else "remark"
    console.print(
        Text.assemble((f"{finding.cause.value} ({kind}): ", style), finding.says), soft_wrap=True
    )
    for line in finding.evidence:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    if finding.remedy and finding.is_fault:
        console.print(f"  do: {finding.remedy}", highlight=False, soft_wrap=True)
    if finding.command:
        console.print(f"  $ {shlex.join(finding.command)}", highlight=False, soft_wrap=True)


def _table(found: Explanation) -> Table:
    table = Grid(title=found.model, spare=("own", "output", "saturated"))
    for heading in ("layer", "type", "output"):
        table.add_column(heading, overflow="fold")
    for heading in ("format", "SQNR", "saturated", "differ", "own"):
        table.add_column(heading, justify="right")
    for layer in found.layers:
        table.add_row(
            layer.name,
            layer.type,
            "×".join(map(str, layer.shape)),
            f"Q{7 - layer.dec}.{layer.dec}",
            decibels(layer.sqnr_db),
            percent(layer.saturated),
            *_differing(layer),
        )
    return table


def _differing(layer: ExplainedLayer) -> tuple[Text, Text]:
    if not layer.compared:
        return Text("–"), Text("–")
    style = "bold red" if layer.own else "yellow" if layer.different else ""
    return (
        Text(f"{thousands(layer.different)} of {thousands(layer.compared)}", style=style),
        Text(thousands(layer.own), style=style),
    )


def _accuracies(found: Explanation) -> list[str]:
    named = (
        ("float", found.accuracy_float),
        ("int8 reference", found.accuracy_reference),
        ("target", found.accuracy_target),
    )
    known = [f"{name} {percent(share)}" for name, share in named if share is not None]
    return [f"right answers: {', '.join(known)}"] if known else []


def render_explanation(found: Explanation) -> str:
    """Return the page, one file."""
    return render_page(
        "explain.html.j2",
        {"decibels": decibels, "command": shlex.join},
        found=found,
        accuracies=_accuracies(found),
        ratios=_ratios(found),
        histograms=_histograms(found),
        picture=_input(found),
        tensors=any(layer.compared for layer in found.layers),
    )


def _ratios(found: Explanation) -> Markup | None:
    layers = [layer for layer in found.layers if layer.sqnr_db is not None]
    if not layers:
        return None
    guilty = [layer.sqnr_db if layer.own else None for layer in layers]
    behind = [layer.sqnr_db if layer.different and not layer.own else None for layer in layers]
    series: dict[str, Sequence[Value]] = {_RATIO: [layer.sqnr_db for layer in layers]}
    series |= {_MARK: guilty} if any(v is not None for v in guilty) else {}
    series |= {_BEHIND: behind} if any(v is not None for v in behind) else {}
    return lines(
        "Signal to quantisation noise by layer",
        [layer.name for layer in layers],
        series,
        unit="dB",
        digits=1,
        marks=(_MARK, _BEHIND),
    )


def _histograms(found: Explanation) -> list[tuple[ExplainedLayer, Markup]]:
    """Return pictures of the layers that were found at fault, then of those that lose most."""
    named = [f.layer for f in found.findings if f.layer is not None]
    known = [layer for layer in found.layers if layer.histogram]
    order = sorted(
        known,
        key=lambda layer: (
            named.index(layer.name) if layer.name in named else len(named),
            layer.sqnr_db if layer.sqnr_db is not None else 100.0,
        ),
    )
    return [(layer, _histogram(layer)) for layer in order[:_HISTOGRAMS]]


def _histogram(layer: ExplainedLayer) -> Markup:
    """Draw shares of float values in steps of int8; the ends hold what lies further out, too."""
    total = sum(layer.histogram) or 1
    starts = [_FIRST + _BIN * i for i in range(len(layer.histogram))]
    shares = [100 * count / total for count in layer.histogram]
    inside = [-128 <= start < 128 for start in starts]
    return stacked_bars(
        f"Float values of {layer.name} in steps of its format",
        [str(start) for start in starts],
        {
            "within int8": [s if i else None for s, i in zip(shares, inside, strict=True)],
            "beyond its ends": [None if i else s for s, i in zip(shares, inside, strict=True)],
        },
        unit="%",
        digits=1,
    )


def _input(found: Explanation) -> str:
    if found.input is None:
        return ""
    return picture(WorstVector(vector=0, margin=0.0, shape=found.input_shape, input=found.input))
