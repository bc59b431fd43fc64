"""nnom-hil doctor: what is there, and what to do about what is not."""

__all__ = ["main"]


def main() -> int:
    """Show every tool and folder that runs need. Exit code 3 if one is missing."""
    from nnom_hil.cli.columns import print_columns
    from nnom_hil.errors import ExitCode
    from nnom_hil.run.doctor import examine

    findings = examine()
    rows = []
    for finding in findings:
        mark = "ok" if finding.ok else "absent" if finding.optional else "MISSING"
        told = "; ".join(filter(None, [finding.found, finding.remedy and f"try: {finding.remedy}"]))
        rows.append((mark, finding.what, told))
    print_columns(("", "what", "found, or what to do"), rows)
    return int(ExitCode.PASS if all(f.ok or f.optional for f in findings) else ExitCode.ENVIRONMENT)
