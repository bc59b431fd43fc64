"""A reproducer run again, on its board or another, and written as C."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from nnom_hil.boards import Board, find_board
from nnom_hil.build import Library
from nnom_hil.codegen.case import case_files
from nnom_hil.files import write_whole
from nnom_hil.model.qgraph import Int8
from nnom_hil.run.reproduce import Reproducer, build_and_run
from nnom_hil.run.runner import firmware_header
from nnom_hil.target.select import make_target

__all__ = ["Replayed", "replay", "replay_file", "write_case"]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came of a reproducer. got: (outputs,)."""

    case: Reproducer
    board: str
    got: Int8

    @property
    def is_equal(self) -> bool:
        """Whether all bytes are right."""
        return bool(np.array_equal(self.got, self.case.expected))

    @property
    def as_recorded(self) -> bool:
        """Whether all bytes are those that were wrong when it was written."""
        return bool(np.array_equal(self.got, self.case.got))

    @property
    def words(self) -> str:
        """Equal, or where it differs."""
        if self.is_equal:
            return f"equal: all {self.got.size} values are right on {self.board}"
        wrong = np.flatnonzero(self.got != self.case.expected)
        at = int(wrong[0])
        same = "as recorded" if self.as_recorded else "otherwise than recorded"
        return (
            f"differs {same} on {self.board}: {len(wrong)} of {self.got.size} values, the first at "
            f"{at}: expected {int(self.case.expected[at])}, got {int(self.got[at])}"
        )

    def to_json(self) -> str:
        """Return what came of it as JSON text, keys sorted."""
        document = {
            "schema": "nnom-hil/replay/1",
            "board": self.board,
            "model": self.case.model,
            "layer": self.case.layer,
            "says": self.case.says,
            "equal": self.is_equal,
            "as_recorded": self.as_recorded,
            "expected": self.case.expected.tolist(),
            "got": self.got.tolist(),
        }
        return json.dumps(document, sort_keys=True, indent=2) + "\n"


def replay(
    case: Reproducer,
    board: Board,
    *,
    library: Library | None = None,
    backend: str | None = None,
    port: str | None = None,
    probe: str | None = None,
    pack: Path | None = None,
) -> Replayed:
    """Build and run a reproducer; raises HilError as a run's first steps do.

    library: another one than the reproducer's.
    """
    got = build_and_run(
        case.built,
        case.x,
        board=board,
        library=library or case.library,
        header=case.header,
        compat=case.compat,
        target=lambda b: make_target(b, backend, port, probe=probe, pack=pack, exact=False),
    )
    return Replayed(case=case, board=board.name, got=got[0])


def replay_file(case: Reproducer, given: Mapping[str, Any]) -> Replayed:
    """Replay with checked options in the place of the reproducer's own board and library."""
    names = {f.name for f in fields(Library)}
    other = {name: value for name, value in given.items() if name in names}
    library = replace(case.library, **other) if other else None
    board = find_board(given.get("board", case.board), given.get("boards"))
    places = ("backend", "port", "probe", "pack")
    where = {name: given[name] for name in places if name in given}
    return replay(case, board, library=library, **where)


def write_case(case: Reproducer, folder: Path) -> list[Path]:
    """Write a reproducer as C into a folder; return the files. Raises StoreError."""
    header = firmware_header(case.built, case.header)
    texts = case_files(header, case.x, case.expected, case.got, f"{case.layer}: {case.says}")
    for name, text in texts.items():
        write_whole(folder / name, text)
    return [folder / name for name in texts]
