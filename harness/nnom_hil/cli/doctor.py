"""nnom-hil doctor: what is there, and what to do about what is not."""

from nnom_hil.cli.options import JsonOption

__all__ = ["main"]


def main(*, json: JsonOption = False) -> int:
    """Show every tool and folder that runs need. Exit code 3 if one is missing."""
    from nnom_hil.cli.columns import print_columns
    from nnom_hil.errors import ExitCode
    from nnom_hil.run.doctor import examine

    findings = examine()
    if json:
        from dataclasses import asdict

        from nnom_hil.cli.outcome import print_json

        print_json([asdict(finding) for finding in findings])
    rows = []
    for finding in findings:
        mark = "ok" if finding.ok else "absent" if finding.optional else "MISSING"
        new = finding.remedy and finding.remedy not in finding.found
        told = "; ".join(filter(None, [finding.found, f"try: {finding.remedy}" if new else ""]))
        rows.append((mark, finding.what, told))
    if not json:
        print_columns(("", "what", "found, or what to do"), rows)
    return int(ExitCode.PASS if all(f.ok or f.optional for f in findings) else ExitCode.ENVIRONMENT)
