"""The command line: one file a sub-command; each parses, calls, prints, returns."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line and return the exit code: 0 pass, 1 fail, 2 usage, 3 environment."""
    try:
        from nnom_hil.cli.app import run_app
    except KeyboardInterrupt:  # nothing has been begun
        return 130
    return run_app(sys.argv[1:])
