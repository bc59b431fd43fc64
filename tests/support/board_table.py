"""The table of boards in docs/boards.md; python -m tests.support.board_table writes it anew."""

import re
from fractions import Fraction

from nnom_hil.boards import examine, find_board, find_chip, list_boards
from nnom_hil.boards.clocks import ClockTree, megahertz
from tests.support.native import ROOT

DOCS = ROOT / "docs" / "boards.md"
HEAD = "| board | chip | core's clock, computed from the steps | console | registers by |\n"
LINE = "|---|---|---|---|---|\n"


def board_table() -> str:
    """Return a row for each shipped board that is no process."""
    rows = []
    for name in list_boards():
        board = find_board(name)
        if board.chip is None:
            continue
        chip = find_chip(board.chip)
        tree = examine(board, chip).tree
        assert tree is not None, name
        found = chip.uart_at(board.console.base)
        assert found is not None, name
        clock = megahertz(Fraction(board.console.clock_hz))
        registers = chip.facts.sources["registers"].split(";")[0]
        rows.append(
            f"| `{name}` | {chip.name} | {_clock(tree)} | {found[0]}, {clock} | {registers} |\n"
        )
    return HEAD + LINE + "".join(rows)


def _clock(tree: ClockTree) -> str:
    """Return a chain without the names between: "HSE 8 MHz / 4 * 180 / 2 = 180 MHz"."""
    chain = tree.chain("core").split("; ")
    links = [re.sub(r" \(VCO.*?\)", "", link).split(" = ")[1] for link in chain]
    first = chain[0].split(" = ")
    terms = "".join(re.sub(r"^\S+", "", link) for link in links[1:])
    core = megahertz(tree.clocks["core"])
    if len(chain) == 1:
        return f"{first[1]} {core}"
    return f"{first[0]} {first[-1]}{re.sub(' [/*] 1(?= |$)', '', terms)} = {core}"


def in_docs() -> str:
    """Return the table as the docs have it."""
    text = DOCS.read_text()
    start = text.index(HEAD)
    found = re.match(r"(\|.*\n)+", text[start:])
    assert found is not None
    return found[0]


if __name__ == "__main__":
    DOCS.write_text(DOCS.read_text().replace(in_docs(), board_table()))
