"""nnom-hil build: the firmware alone, for other tools to flash or emulate."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnom_hil.cli.options import door

__all__ = ["main"]


@door("build")
def main(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path(),
    **given: Any,
) -> int:
    """Build the firmware and write BOARD.elf, and BOARD.repl where the board runs in Renode."""
    from nnom_hil.run.options import request_of
    from nnom_hil.run.service import build_files

    for path in build_files(request_of(given), out):
        print(path)
    return 0
