"""nnom-hil build: the firmware alone, for other tools to flash or emulate."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnom_hil.cli.options import DryRunOption, JsonOption, door
from nnom_hil.cli.outcome import print_json, print_plan

__all__ = ["main"]


@door("build")
def main(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path(),
    json: JsonOption = False,
    dry_run: DryRunOption = False,
    **given: Any,
) -> int:
    """Build the firmware and write BOARD.elf, and BOARD.repl where the board runs in Renode."""
    from nnom_hil.run.options import request_of
    from nnom_hil.run.service import build_files

    if dry_run:
        from nnom_hil.run.dry import build_plan

        return print_plan(build_plan(request_of(given), out), json=json)
    files = build_files(request_of(given), out)
    if json:
        print_json({"files": files})
    else:
        print(*files, sep="\n")
    return 0
