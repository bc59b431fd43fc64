"""The command line: one file a sub-command; each parses, calls, prints, returns."""

import gc
import io
import os
import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line and return the exit code: 0 pass, 1 fail, 2 usage, 3 environment."""
    _open_standard_files()
    gc.set_threshold(50_000)  # what is imported stays: to look for waste in it takes a tenth
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # of any encoding: no letter ends a run
            stream.reconfigure(errors="backslashreplace")
    try:
        from nnom_hil.cli.app import run_app
    except KeyboardInterrupt:  # nothing has been begun
        return 130
    return run_app(sys.argv[1:])


def _open_standard_files() -> None:
    """Give a process that was started without some of the three standard files null ones.

    Otherwise the next file that is opened would be its standard output.
    """
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest handle that is free
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
