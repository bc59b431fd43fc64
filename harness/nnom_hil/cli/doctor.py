"""nnom-hil doctor: what is there, and what to do about what is not."""

__all__ = ["main"]


def main() -> int:
    """Show every tool and folder that runs need. Exit code 3 if one is missing."""
    from rich.table import Table
    from rich.text import Text

    from nnom_hil.cli.terminal import terminal
    from nnom_hil.errors import ExitCode
    from nnom_hil.run.doctor import examine

    findings = examine()
    table = Table()
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        missing = Text("absent", "yellow") if finding.optional else Text("missing", "red")
        mark = Text("ok", "green") if finding.ok else missing
        table.add_row(mark, finding.what, finding.found, finding.remedy)
    terminal().print(table)
    return int(ExitCode.PASS if all(f.ok or f.optional for f in findings) else ExitCode.ENVIRONMENT)
