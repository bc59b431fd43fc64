"""nnom-hil replay: a fault that explain cut down, run again."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door
from nnom_hil.errors import ExitCode

__all__ = ["main"]


@door("replay")
def main(
    *,
    file: Annotated[Path, typer.Argument(help="What explain wrote.")],
    c: Annotated[
        Path | None, typer.Option("--c", help="Write it as C into this folder, and run nothing.")
    ] = None,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Run a reproducer again. Exit code: 0 its bytes are right, 1 they differ."""
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.run.replay import replay_file, write_case
    from nnom_hil.run.reproduce import load_reproducer

    case = load_reproducer(file)
    console = terminal()
    if c is not None:
        for path in write_case(case, c):
            console.print(str(path), highlight=False, soft_wrap=True)
        return int(ExitCode.PASS)
    done = replay_file(case, given)
    if json:
        print(done.to_json(), end="")
    else:
        console.print(f"{case.model}, {case.layer}: {case.says}", highlight=False, soft_wrap=True)
        console.print(done.words, highlight=False, soft_wrap=True)
    return int(ExitCode.PASS if done.is_equal else ExitCode.FAIL)
