"""nnom-hil doctor: what is there, and what to do about what is not."""

__all__ = ["main"]


def main() -> int:
    """Show every tool and folder that runs need. Exit code 3 if one is missing."""
    from rich.console import Console
    from rich.table import Table

    from nnom_hil.errors import ExitCode
    from nnom_hil.run.doctor import examine

    findings = examine()
    table = Table()
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        missing = "[yellow]absent[/]" if finding.optional else "[red]missing[/]"
        mark = "[green]ok[/]" if finding.ok else missing
        table.add_row(mark, finding.what, finding.found, finding.remedy)
    Console().print(table)
    return int(ExitCode.PASS if all(f.ok or f.optional for f in findings) else ExitCode.ENVIRONMENT)
