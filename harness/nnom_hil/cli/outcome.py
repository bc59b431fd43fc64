"""What became of a run, on the terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnom_hil.run.shown import Outcome

__all__ = ["show_outcome"]


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
