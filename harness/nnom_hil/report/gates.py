"""A comparison with a baseline: for a terminal, for pull requests, for CI servers."""

import math

from rich.console import Console
from rich.text import Text

from nnom_hil.gates import Comparison, Gate, State
from nnom_hil.report.figures import percent, thousands
from nnom_hil.report.grid import Grid
from nnom_hil.report.junit import Case, Suite, junit
from nnom_hil.report.markdown import bold, escape, table
from nnom_hil.report.terminal import as_text

__all__ = [
    "comparison_junit",
    "comparison_markdown",
    "comparison_suite",
    "comparison_text",
    "gate_in_words",
    "print_comparison",
    "verdict_line",
]

_STYLES = {State.HELD: "green", State.FAILED: "bold red", State.NEW: "yellow", State.OFF: "dim"}
_HEADINGS = ("gate", "expected", "actual", "change", "allowed", "")


def verdict_line(comparison: Comparison) -> str:
    """Return the verdict with the gates that failed by name, and those that judged nothing."""
    failed = [gate.name for gate in comparison.failed]
    said = f"gates: FAIL ({', '.join(failed)})" if failed else "gates: PASS"
    for state, words in ((State.NEW, "not in the baseline"), (State.OFF, "off")):
        if names := [gate.name for gate in comparison.gates if gate.state is state]:
            said += f"; {words}: {', '.join(names)}"
    return said


def gate_in_words(gate: Gate) -> str:
    """Return a gate in a sentence: expected, actual, allowed, and where both come from."""
    expected, actual, change = _cells(gate)
    grown = f" ({change})" if change else ""
    came = f"actual: {gate.source}" + (f"; expected: {gate.origin}" if gate.origin else "")
    detail = f": {gate.detail}" if gate.detail else ""
    return (
        f"{gate.name}: expected {expected}, actual {actual}{grown}, allowed {gate.allowed}"
        f"{detail} ({came})"
    )


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print every gate, what else is to be known, and the verdict, which is a line of its own."""
    grid = Grid(
        title=f"{comparison.model} on {comparison.board}, against {comparison.baseline}",
    )
    for i, heading in enumerate(_HEADINGS):
        grid.add_column(heading, justify="right" if 1 <= i <= 4 else "left", overflow="fold")
    for gate in comparison.gates:
        state = Text(gate.state.value, style=_STYLES[gate.state])
        name = f"{gate.name}, {gate.source}" if gate.name == "cycles" else gate.name
        grid.add_row(name, *map(Text, _cells(gate)), gate.allowed, state)
    console.print(grid)
    for gate in comparison.gates:
        if gate.state is State.FAILED or gate.detail:
            console.print(Text(f"  {gate_in_words(gate)}"), soft_wrap=True)
    for note in comparison.notes:
        console.print(Text(f"  {note}"), soft_wrap=True)
    console.print(Text(f"run: {comparison.run}"), soft_wrap=True)
    style = "bold green" if comparison.passed else "bold red"
    console.print(Text(verdict_line(comparison), style=style), soft_wrap=True)


def comparison_text(comparison: Comparison) -> str:
    """Return what print_comparison prints, as plain text."""
    return as_text(lambda console: print_comparison(comparison, console))


def comparison_markdown(comparison: Comparison) -> str:
    """Return a section for a pull request: the verdict first, then every gate."""
    headings = (*_HEADINGS[:-1], "gate is", "from")
    rows = [
        (
            bold(gate.name) if gate.state is State.FAILED else gate.name,
            *_cells(gate),
            gate.allowed,
            bold("FAILED") if gate.state is State.FAILED else gate.state.value,
            "; ".join(part for part in (gate.source, gate.origin, gate.detail) if part),
        )
        for gate in comparison.gates
    ]
    lines = [
        f"### {escape(f'{comparison.model} on {comparison.board}')}",
        "",
        bold(verdict_line(comparison)),
        "",
        table(headings, rows, right=(1, 2, 3, 4)),
        "",
        *(f"- {escape(note)}" for note in comparison.notes),
        f"- {escape(f'run {comparison.run}, baseline {comparison.baseline}')}",
    ]
    return "\n".join(lines) + "\n"


def comparison_suite(comparison: Comparison, name: str = "") -> Suite:
    """Return a case a gate; those that judged nothing are skipped, and say why.

    name: of what is compared, where board and model do not tell it apart.
    """
    suite = f"gates.{name or f'{comparison.board}.{comparison.model}'}"
    return Suite(
        name=suite,
        cases=tuple(_case(suite, gate) for gate in comparison.gates),
        properties={"run": comparison.run, "baseline": comparison.baseline},
    )


def comparison_junit(comparison: Comparison) -> str:
    """Return the suite as a document."""
    return junit([comparison_suite(comparison)])


def _case(suite: str, gate: Gate) -> Case:
    words = gate_in_words(gate)
    judged = gate.state in {State.HELD, State.FAILED}
    return Case(
        name=gate.name,
        classname=suite,
        failure=words if gate.state is State.FAILED else None,
        skipped=None if judged else f"{gate.state.value}: {words}",
        properties={"source": gate.source} if gate.source else {},
    )


def _cells(gate: Gate) -> tuple[str, str, str]:
    """Return expected, actual and change as they are written."""
    change = gate.change
    if change is None:
        said = ""
    elif gate.unit == "share":
        said = f"{100 * change:+.2f} points"
    else:
        said = "from none" if math.isinf(change) else f"{change:+.2%}".replace("%", " %")
    return _amount(gate.expected, gate.unit), _amount(gate.actual, gate.unit), said


def _amount(value: float | str | None, unit: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if unit == "share":
        return percent(value)
    return thousands(value) if unit != "mean absolute" else f"{value:.6g}"
