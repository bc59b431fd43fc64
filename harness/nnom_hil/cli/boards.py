"""nnom-hil boards: what boards there are; show one, start a new file, check a file."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnom_hil.cli.columns import print_line
from nnom_hil.cli.completing import boards
from nnom_hil.cli.options import JsonOption, door
from nnom_hil.cli.outcome import print_json

if TYPE_CHECKING:
    from nnom_hil.boards import Board, Examination

__all__ = ["COMMANDS", "NEEDS_COMMAND", "main"]

NEEDS_COMMAND = False


@door("boards")
def main(context: typer.Context, *, json: JsonOption = False, **given: Any) -> int:
    """List the boards with what can run them here and now; show, start, check, find boards."""
    context.obj = given.get("boards")
    return 0 if context.invoked_subcommand else _list(context.obj, json=json)


def _list(folder: Path | None, *, json: bool) -> int:
    from nnom_hil.boards.listing import board_lines
    from nnom_hil.cli.columns import print_columns, screen_width
    from nnom_hil.target.there import why_not

    lines = board_lines(folder)
    found = {b.name: {name: why_not(name, b.needs) for name in b.backends} for b in lines}
    if json:
        print_json([asdict(board) | {"backends": found[board.name]} for board in lines])
        return 0
    rows = []
    for board in lines:
        ways = found[board.name]
        row = (
            board.name,
            board.cpu if screen_width() is None else board.cpu.removeprefix("cortex-"),
            "–" if board.hz is None else str(board.hz // 1_000_000),
            _whole(board.flash),
            _whole(board.ram),
            " ".join(name if why is None else f"({name})" for name, why in ways.items()),
            board.title,
        )
        rows.append(row)
    headings = ("board", "core", "MHz", "flash", "RAM", "back ends", "title")
    print_columns(headings, rows, spare=True)
    print("\nback ends in brackets cannot run here; nnom-hil boards show NAME says why")
    return 0


def _whole(amount: int | None) -> str:
    """Return an amount of memory, which has no fraction."""
    from nnom_hil.report.writing import size

    return "–" if amount is None else size(amount).replace(".00 ", " ").replace(".0 ", " ")


def show(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A board's name, or a .toml file.", autocompletion=boards)
    ],
    *,
    json: JsonOption = False,
) -> int:
    """Show what a board's file says, and what can run it here."""
    from nnom_hil.boards import find_board
    from nnom_hil.report.figures import size
    from nnom_hil.run.boardfiles import backends, examined

    folder = Path(name).parent if name.endswith(".toml") else context.obj
    board = find_board(name, context.obj)
    examination = examined(board, folder)
    if json:
        print_json(_document(board, examination))
        return 0
    core, console = board.core, board.console
    print(f"{board.name}: {board.title}")
    if board.backend.native is None:
        print(f"chip     {board.chip or 'not named: boards check tells what that leaves out'}")
    print(f"core     {core.cpu.value}, FPU {core.fpu or 'none'}, {board.clock.core_hz / 1e6:g} MHz")
    for kind, region in (("flash", board.memory.flash), ("ram", board.memory.ram)):
        print(f"{kind:8} {size(region.length)} at 0x{region.origin:08X}")
    pins = f", TX {console.tx}, RX {console.rx}" if console.tx or console.rx else ""
    print(
        f"console  {console.driver} at 0x{console.base:08X}, interrupt {console.irq}, "
        f"{console.baud} baud{pins}"
    )
    print(f"time     {board.time.driver}")
    _show_start(board, examination)
    for backend, reason in backends(board).items():
        facts = {
            key: " ".join(value) if isinstance(value, tuple) else value
            for key, value in getattr(board.backend, backend)
        }
        if reason is not None:
            facts.pop("needs", None)  # the reason tells it
        what = ", ".join(f"{k} {v}" for k, v in facts.items() if v not in (None, ""))
        state = "can run here" if reason is None else reason
        print_line(f"{backend:8} {what or '-'}: {state}", 9)
    if board.sources:
        print("sources")
        for table, text in board.sources.items():
            print_line(f"  {table:8} {text}", 11)
    return 0


def _document(board: "Board", examination: "Examination | None") -> dict[str, Any]:
    from nnom_hil.run.boardfiles import backends

    document = board.model_dump(mode="json", by_alias=True) | {"runs_here": backends(board)}
    if examination is not None:
        tree = examination.tree
        document["examination"] = {
            "steps": [*examination.steps],
            "clocks": [] if tree is None else [*tree.lines()],
            "faults": [*examination.faults],
        }
    return document


def _show_start(board: "Board", examination: "Examination | None") -> None:
    """Print the steps, decoded where the chip is known, the clocks, and what is wrong."""
    print(f"start-up {len(board.startup.steps)} steps")
    if examination is None:  # as the file has them
        for number, step in enumerate(board.startup.steps, 1):
            facts = ((key, value) for key, value in step if value is not None)
            print(f"  {number:3}  {', '.join(f'{key} 0x{value:08X}' for key, value in facts)}")
        return
    for line in examination.steps:
        print_line(f"  {line}", 29)
    if examination.tree is not None:
        print("clocks")
        for line in examination.tree.lines():
            print(f"  {line}")
    for fault in examination.faults:
        print_line(f"wrong: {fault}")


def scan(
    context: typer.Context,
    *,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="The hardware map [$NNOM_HIL_HARDWARE].")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Find attached boards: probe, chip, serial port; write the hardware map."""
    from nnom_hil.cli.columns import print_columns
    from nnom_hil.paths import hardware_map
    from nnom_hil.run.scan import NO_PROBE
    from nnom_hil.run.scan import scan as scan_boards

    path = map_file or hardware_map()
    found = scan_boards(path, context.obj)
    if json:
        attached = [one.entry.model_dump() | {"here": one.here} for one in found]
        print_json({"map": path, "attached": attached})
        return 0
    if not found:
        print(NO_PROBE)
        return 0
    rows = []
    for one in found:
        entry = one.entry
        board = entry.board or " or ".join(entry.candidates) or "?"
        how = entry.recognised if one.here else "not attached now"
        rows.append((entry.probe, board, entry.port or "?", how))
    print_columns(("probe", "board", "port", "recognised by"), rows)
    print(f"written to {path}; fill in there what is not known (?)")
    return 0


def new(
    file: Annotated[Path, typer.Argument(help="The new board's name or .toml file.")],
    *,
    json: JsonOption = False,
) -> int:
    """Write a commented board file to start from; it is valid as it is."""
    from nnom_hil.run.boardfiles import new_board

    path = new_board(file)
    if json:
        print_json({"file": path})
    else:
        print(f"{path}: edit it, then: nnom-hil boards check {path}")
    return 0


def check(
    file: Annotated[Path, typer.Argument(help="A board's .toml file.")],
    *,
    build: Annotated[bool, typer.Option(help="Build the digits firmware for it as well.")] = True,
    against: Annotated[
        tuple[str, Path] | None,
        typer.Option(metavar="svd FILE", help="Compare with the vendor's SVD file of the chip."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Examine a board file: keys, steps and clocks on its chip, QEMU's machine, firmware's size."""
    from nnom_hil.errors import UsageError
    from nnom_hil.run.boardfiles import check_board

    if against is not None and against[0] != "svd":
        raise UsageError(f"--against {against[0]}: svd FILE is all that there is to compare with")
    lines = check_board(file, build=build, svd=against[1] if against else None)
    if json:
        print_json({"file": file, "found": [*lines]})
        return 0
    for line in lines:
        print_line(line)
    return 0


COMMANDS = {"show": show, "scan": scan, "new": new, "check": check}
