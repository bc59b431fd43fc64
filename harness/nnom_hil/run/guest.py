"""Runs an existing NNoM project on a board, and holds what it gives against this machine.

The same sources are built twice: for the board, with the kernels of its core, and for this machine,
with those in C99, which the tests hold to the NumPy reference. Both print; both give the outputs of
the header's network for the same pseudo-random inputs.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board, find_board
from nnom_hil.build.guest import build_guest
from nnom_hil.cache import work_folder
from nnom_hil.console import clean_console, parse_compile_log, parse_prediction
from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, ToolError, UsageError
from nnom_hil.records import CrossCheck
from nnom_hil.run.monitor import About, record_console
from nnom_hil.run.nnom_project import NnomProject
from nnom_hil.run.shown import Outcome
from nnom_hil.target.select import make_target
from nnom_hil.target.symbols import describe_address
from nnom_hil.tool import run_tool

__all__ = ["GuestRequest", "run_project"]

_START_S: Final = 120.0
_MOST_BYTES: Final = 16 << 20
_END: Final = re.compile(r"\[guest: ended with (-?\d{1,10})\]")
_FAULT: Final = re.compile(
    r"\[guest: fault (\d{1,5}) at ([0-9A-F]{8}) called from ([0-9A-F]{8}) cfsr ([0-9A-F]{8})\]"
)
_COMMAND: Final = re.compile(r"\[guest: command ([^\]\n]{1,100})\]")
_NO_FILE: Final = re.compile(r"\[guest: no file ([^\]\n]{1,200})\]")
_VECTOR: Final = re.compile(r"\[vector (\d{1,3}): status (-?\d{1,5}) sum ([0-9a-f]{8})\]")
_MARKS: Final = re.compile(r"\n?\[guest: [^\]\n]{0,200}\]\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRequest:
    """What to run and where. board: its name, of one that an emulator or this machine runs.
    quiet_s: seconds of silence after which a program that does not end counts as one that never
    does. runs: the folder of all runs. command: what asks for it again.
    """

    board: str
    boards: Path | None = None
    quiet_s: float = 30.0
    runs: Path
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What a program printed. ended: with what; None where it did not. trouble: what stopped it."""

    text: str
    ended: int | None
    trouble: str | None = None

    @property
    def shown(self) -> str:
        """The text without our own marks."""
        return _MARKS.sub("\n", self.text).strip("\n") + "\n"

    @property
    def vectors(self) -> dict[int, tuple[int, str]]:
        """Status and check sum of each pseudo-random input's outputs."""
        return {int(i): (int(status), crc) for i, status, crc in _VECTOR.findall(self.text)}


def run_project(
    project: NnomProject, request: GuestRequest, on_step: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Build an NNoM project, run it on a board, and return its folder and record.

    on_step is told what goes on. Raises UsageError for a board that does not exist, BoardError and
    BuildError as build_guest(), TargetError when nothing here can run the board, StoreError.
    """
    board = find_board(request.board, request.boards)
    if board.backend.native is not None:
        raise UsageError(
            f"--board {board.name}: this machine is what the board is held against; name a board "
            "with a Cortex-M, such as stm32f4"
        )
    with work_folder() as work:
        on_step(f"building it for {board.name}")
        guest = build_guest(board, project.guest, work / "board")
        on_step("building it for this machine")
        here = build_guest(find_board("native"), project.guest, work / "here")
        as_nnom = build_guest(find_board("native"), project.guest, work / "compat", compat=True)
        on_step(f"running it on {board.name}")
        heard = _on_board(board, guest.program, request)
        vectors = _on_board(board, guest.vectors, request)
        on_step("running it on this machine")
        twin = _here(here.program, project, work / "files", request)
        twins = [_here(g.vectors, project, work / "files", request) for g in (here, as_nnom)]
        checks = tuple(_checks(heard, twin, vectors, twins[0]))
        notes = tuple(_notes(project, heard, twin, vectors, twins[1]))
        about = About(
            name=project.folder.name,
            core_hz=board.clock.core_hz,
            command=request.command,
            board=board.name,
            title=f"{board.title}, with a program that is not ours",
            checks=checks,
            notes=notes,
            tools={"compiler": guest.compiler},
            flash_bytes=None if guest.sizes is None else guest.sizes.flash,
        )
        return record_console(heard.shown, about, request.runs)


def _on_board(board: Board, elf: Path, request: GuestRequest) -> _Heard:
    """Run a program until it ends, faults, or is silent."""
    target = make_target(board)
    text = ""
    trouble = None
    try:
        transport = target.start(elf, Deadline.after(_START_S))
        for data in _bytes_of(transport.read, request.quiet_s):
            text += data.decode("utf-8", errors="replace").replace("\r", "")
            if _END.search(text, max(0, len(text) - len(data) - 100)) or _FAULT.search(text[-400:]):
                break
    except LinkError as exc:
        trouble = target.why_dead() or str(exc)
    finally:
        target.stop()
    ended = _END.search(text)
    if fault := _FAULT.search(text):
        where, caller = (describe_address(elf, int(fault[i], 16)) for i in (2, 3))
        trouble = f"fault {fault[1]} in {where}, called from {caller} (CFSR {fault[4]})"
    return _Heard(text=text, ended=None if ended is None else int(ended[1]), trouble=trouble)


def _bytes_of(read: Callable[[Deadline], bytes], quiet_s: float) -> Iterator[bytes]:
    size = 0
    while size < _MOST_BYTES and (data := read(Deadline.after(quiet_s))):
        size += len(data)
        yield data


def _here(elf: Path, project: NnomProject, folder: Path, request: GuestRequest) -> _Heard:
    """Run a program on this machine, beside copies of the files that it opens."""
    for name, path in project.guest.files:
        place = folder / name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    folder.mkdir(exist_ok=True)
    try:
        text = run_tool([elf], deadline=Deadline.after(request.quiet_s), cwd=folder)
        trouble = None
    except ToolError as exc:
        text, trouble = exc.output, str(exc).splitlines()[0]
    ended = _END.search(text)
    return _Heard(text=text, ended=None if ended is None else int(ended[1]), trouble=trouble)


def _checks(
    heard: _Heard, twin: _Heard, vectors: _Heard, twin_vectors: _Heard
) -> Iterator[CrossCheck]:
    yield _check("the program runs without a fault", heard.trouble is None, heard.trouble or "")
    if heard.ended is not None:
        yield _check("the program ends well", heard.ended == 0, _last_words(heard))
    mine, theirs = vectors.vectors, twin_vectors.vectors
    refused = sorted(i for i, (status, _) in mine.items() if status != 0)
    yield _check(
        "the network of the header runs",
        bool(mine) and not refused,
        vectors.trouble
        or (f"model_run() gives {mine[refused[0]][0]}" if refused else "no outputs"),
    )
    wrong = sorted(i for i, found in theirs.items() if mine.get(i) != found)
    yield _check(
        f"outputs of {len(theirs)} pseudo-random inputs equal those of the C99 kernels here",
        bool(theirs) and not wrong,
        f"{len(wrong)} differ, first input {wrong[0]}" if wrong else "none came",
    )
    yield from _same_tables(clean_console(heard.text), clean_console(twin.text))


def _last_words(heard: _Heard) -> str:
    if missing := _NO_FILE.findall(heard.text):
        return f"it ended with {heard.ended}; it opens {missing[-1]}, which is not in the project"
    last = heard.shown.rstrip().rpartition("\n")[2][:150]
    return f"it ended with {heard.ended}, and printed last: {last}"


def _same_tables(board: str, here: str) -> Iterator[CrossCheck]:
    """Compare what both printed, but for memory and times, which are not the same on both."""
    compiled = [parse_compile_log(text) for text in (board, here)]
    if compiled[1] is not None:
        rows = [[(r.name, r.shape, r.macs) for r in log.layers] if log else [] for log in compiled]
        yield _check("layers are those printed here", rows[0] == rows[1], "the tables differ")
    counted = [parse_prediction(text) for text in (board, here)]
    if counted[1] is not None:
        facts = [(p.frames, p.top_k, p.confusion) if p else None for p in counted]
        yield _check(
            "prediction_summary() is that printed here", facts[0] == facts[1], _told(facts)
        )


def _told(facts: Sequence[object]) -> str:
    return " against ".join(str(fact)[:100] for fact in facts)


def _check(what: str, ok: bool, detail: str) -> CrossCheck:
    return CrossCheck(what=what, ok=ok, detail="" if ok else detail[:300])


def _notes(
    project: NnomProject, heard: _Heard, twin: _Heard, vectors: _Heard, as_nnom: _Heard
) -> Iterator[str]:
    if heard.ended is None and heard.trouble is None:
        yield "the program does not end; it was stopped when it had been silent for long enough"
    elif twin.trouble is not None and heard.ended == 0:
        yield f"on this machine the program does not end as on the board: {twin.trouble}"
    differing = sum(
        1 for i, found in as_nnom.vectors.items() if vectors.vectors.get(i, found) != found
    )
    count = len(as_nnom.vectors)
    if differing:
        yield (
            f"NNoM 0.4.3's own results (NNOM_COMPAT_043) differ on {differing} of {count} "
            "pseudo-random inputs: docs/numerics.md says where NNoM is not right"
        )
    elif count:
        yield f"NNoM 0.4.3's own results (NNOM_COMPAT_043) are the same on {count} inputs"
    commands = _COMMAND.findall(heard.text)
    if commands and not project.guest.script:
        yield f"its shell has commands; run one with --say: {', '.join(commands)}"
    if project.models:
        name = project.models[0].relative_to(project.folder)
        yield f"weights.h may be of {name}: nnom-hil run --model {name} holds the board against it"
