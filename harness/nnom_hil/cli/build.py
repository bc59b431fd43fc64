"""nnom-hil build: the firmware alone, for other tools to flash or emulate."""

from pathlib import Path
from typing import Annotated

import typer

from nnom_hil.cli.options import (
    BoardOption,
    BoardsOption,
    CompatOption,
    DataOption,
    MethodOption,
    ModelOption,
    NnomOption,
    PerChannelOption,
)

__all__ = ["main"]


def main(
    *,
    board: BoardOption = "stm32f4",
    model: ModelOption = None,
    data: DataOption = None,
    method: MethodOption = "max_min",
    per_channel: PerChannelOption = False,
    compat: CompatOption = False,
    nnom: NnomOption = None,
    boards: BoardsOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path(),
) -> int:
    """Build the firmware and write BOARD.elf, and BOARD.repl where the board runs in Renode."""
    from nnom_hil.boards import find_board
    from nnom_hil.run.prepare import ConvertOptions
    from nnom_hil.run.service import RunRequest, build_files

    request = RunRequest(
        board=find_board(board, boards),
        model=model,
        data=data,
        convert=ConvertOptions(method=method, per_channel=per_channel),
        compat=compat,
        nnom=nnom,
        runs=out,
    )
    for path in build_files(request, out):
        print(path)
    return 0
