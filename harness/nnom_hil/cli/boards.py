"""nnom-hil boards: what boards there are."""

from nnom_hil.cli.options import BoardsOption

__all__ = ["main"]


def main(*, boards: BoardsOption = None) -> int:
    """List the boards with their cores, memories and back ends."""
    from rich.console import Console
    from rich.table import Table

    from nnom_hil.boards import list_boards, load_board
    from nnom_hil.report.figures import size

    table = Table()
    for heading in ("board", "core", "MHz", "flash", "RAM", "QEMU machine", "title"):
        table.add_column(heading)
    for path in list_boards(boards).values():
        board = load_board(path)
        qemu = board.backend.qemu
        table.add_row(
            board.name,
            board.core.cpu.value,
            str(board.clock.core_hz // 1_000_000),
            size(board.memory.flash.length),
            size(board.memory.ram.length),
            qemu.machine if qemu else "–",
            board.title,
        )
    Console().print(table)
    return 0
