"""One model on every board that can run here: the table of docs/measured.md."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nnom_hil.boards import Board
from nnom_hil.errors import HilError
from nnom_hil.records import RunRecord
from nnom_hil.run.boardfiles import backends
from nnom_hil.run.service import RunRequest, open_run
from nnom_hil.temporary import private_folder

__all__ = ["BoardRow", "survey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One board; record is None where the model does not run there, and why says the reason."""

    board: Board
    backend: str
    record: RunRecord | None
    why: str = ""


def survey(
    boards: Sequence[Board],
    request: RunRequest,
    on_step: Callable[[str], None] = lambda _: None,
) -> list[BoardRow]:
    """Run what is asked for on every board in every back end that is here.

    A board that a run cannot be finished on gets a row that says why; one that nothing here can
    run gets none.
    """
    rows = []
    with private_folder() as runs:
        for board in boards:
            for backend, reason in backends(board).items():
                if reason is not None:
                    continue
                on_step(f"{board.name} in {backend}")
                try:
                    wish = replace(request, board=board, runs=runs, backend=backend)
                    record = open_run(wish).execute()
                    rows.append(BoardRow(board=board, backend=backend, record=record))
                except HilError as exc:
                    why = str(exc).splitlines()[0]
                    rows.append(BoardRow(board=board, backend=backend, record=None, why=why))
    return rows
