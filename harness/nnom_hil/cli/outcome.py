"""What became of a run, on the terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnom_hil.run.shown import Outcome

__all__ = ["print_json", "print_plan", "show_outcome"]


def print_json(value: Any) -> None:
    """Print a document, its keys in order."""
    import json

    print(json.dumps(value, sort_keys=True, indent=2, default=str))


def print_plan(plan: Mapping[str, str], *, json: bool) -> int:
    """Print what would be done, by heading; return 0."""
    from nnom_hil.cli.columns import print_line

    if json:
        print_json(plan)
    else:
        width = max(map(len, plan))
        for heading, what in plan.items():
            print_line(f"{heading:{width}}  {what}", width + 2)
    return 0


def show_outcome(outcome: "Outcome", *, json: bool) -> int:
    """Print a record, as JSON or with the place of its report; return 0.

    Raises StoreError, after that, for what a full disk did not take.
    """
    if json:
        print(outcome.record.to_json(), end="")
    else:
        from nnom_hil.cli.terminal import terminal
        from nnom_hil.report.terminal import print_summary

        console = terminal()
        print_summary(outcome.record, console)
        if outcome.unwritten is None:
            report = outcome.folder / "report.html"
            console.print(f"report: {report}", soft_wrap=True, highlight=False)
    if outcome.unwritten is not None:
        raise outcome.unwritten
    return 0
