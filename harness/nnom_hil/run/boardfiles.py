"""What users do with board files: see what can run here, start a new one, have one examined."""

import re
from pathlib import Path

from nnom_hil.boards import (
    Board,
    Examination,
    board_template,
    compare,
    examine,
    examine_alone,
    find_chip,
    list_boards,
    list_chips,
    load_board,
    load_svd,
)
from nnom_hil.build import check_drivers, drivers
from nnom_hil.deadline import Deadline
from nnom_hil.errors import BoardError, HilError, UsageError
from nnom_hil.files import write_whole
from nnom_hil.run.prepare import find_model, prepare
from nnom_hil.run.runner import build_for
from nnom_hil.target.select import backends
from nnom_hil.tool import run_tool

__all__ = ["backends", "check_board", "examined", "known_boards", "new_board"]


def known_boards(folder: Path | None = None) -> list[Board]:
    """Return every board, shipped and of the folder; raises BoardError for a wrong file."""
    return [load_board(path) for path in list_boards(folder).values()]


def new_board(path: Path) -> Path:
    """Write a commented board file that is valid as it is; return its path.

    Raises UsageError for a name that is none, or a file that is there already.
    """
    path = path.with_suffix(".toml") if path.name else path  # "." and "/" have none
    if not re.fullmatch(r"[a-z0-9_]+", path.stem):
        raise UsageError(
            f"{path.stem!r}: a board's name has small letters, digits and underscores only"
        )
    if path.exists():
        raise UsageError(f"{path}: this file exists already; choose another name")
    known = {"uarts": drivers("uart"), "times": drivers("time"), "chips": list(list_chips())}
    write_whole(path, board_template(path.stem, **known))
    return path


def check_board(path: Path, *, build: bool = True, svd: Path | None = None) -> list[str]:
    """Examine one board file as far as can be without the board; return what was found good.

    svd: an SVD file of the chip to compare with. Raises BoardError for what is wrong in the file,
    HilError where the firmware does not build.
    """
    board = load_board(path)
    check_drivers(board)
    found = [f"{board.name}: the file is valid, its drivers exist", *_check_chip(board, path)]
    if svd is not None:
        found += _check_svd(board, path, svd)
    if board.backend.qemu is not None:
        found += _check_machine(board, path)
    if build:
        image = build_for(board, prepare(find_model(None), None).graph)
        found.append(f"the digits firmware fits: {image.sizes.flash} bytes of flash")
    for name, reason in backends(board).items():
        found.append(f"{name}: " + ("can run it here" if reason is None else reason))
    return found


def examined(board: Board, folder: Path | None) -> Examination | None:
    """Return a board compared with its chip, None where it names none.

    folder: where the board's file is; its chips/ come before the shipped ones. Raises BoardError
    for a chip that is not known or whose file is wrong.
    """
    if board.chip is None:
        return None
    return examine(board, find_chip(board.chip, folder / "chips" if folder else None))


def _check_chip(board: Board, path: Path) -> list[str]:
    examination = examined(board, path.parent)
    faults = examine_alone(board) if examination is None else examination.faults
    if faults:
        problems = "\n".join(f"  {fault}" for fault in faults)
        raise BoardError(f"{path}: what it says is not so:\n{problems}")
    if board.backend.native is not None:
        return []
    if examination is None:
        return [_without_a_chip(board, path)]
    steps = len(examination.steps)
    if examination.tree is None:
        return [f"chip {board.chip}: console and memories are right; no step, so no clock to check"]
    return [
        f"chip {board.chip}: console, memories and {steps} steps are right",
        f"clocks come out as stated: {'; '.join(examination.tree.lines())}",
    ]


def _without_a_chip(board: Board, path: Path) -> str:
    known = list_chips(path.parent / "chips")
    target = board.backend.probe.target if board.backend.probe is not None else ""
    like = [name for name in known if target.startswith(name)]
    choice = f"chip = {like[0]!r} is like the probe's target" if like else (
        f"chip = one of {', '.join(known)}"
    )  # fmt: skip
    return f"no chip is named: registers, clocks and pins are not checked; {choice}"


def _check_svd(board: Board, path: Path, svd: Path) -> list[str]:
    chip = None if board.chip is None else find_chip(board.chip, path.parent / "chips")
    compared = compare(board, chip, load_svd(svd))
    if compared.faults:
        problems = "\n".join(f"  {fault}" for fault in compared.faults)
        raise BoardError(
            f"{path}: {svd} says otherwise:\n{problems}\n"
            "one of the two is wrong, and SVD files often are: the chip's reference manual decides "
            "(docs/boards.md, the table [svd] of a chip file)"
        )
    agrees = f"{svd.name} agrees: {len(compared.steps)} steps"
    if chip is not None:
        agrees += f", {len(chip.registers)} registers of {chip.name}"
    return [agrees, *compared.steps, *(f"note: {note}" for note in compared.notes)]


def _check_machine(board: Board, path: Path) -> list[str]:
    assert board.backend.qemu is not None
    try:
        text = run_tool(["qemu-system-arm", "-machine", "help"], deadline=Deadline.after(20))
    except HilError:
        return []  # without QEMU there is nothing to compare with; backends() says so
    machines = {line.split()[0] for line in text.splitlines()[1:] if line.strip()}
    machine = board.backend.qemu.machine
    if machine not in machines:
        raise BoardError(
            f"{path}: machine = {machine!r} in [backend.qemu]: this QEMU has no such machine; "
            "see: qemu-system-arm -machine help"
        )
    return [f"QEMU has the machine {machine}"]
