"""What a model will take of a board, before anything runs there.

Flash and static data are those of firmware that is linked for the board. Heap and stack are the
code's and the model's, not the board's: the same firmware tells them on an emulated core that runs
the board's instructions.
"""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from nnom_hil.boards import Board, Cpu
from nnom_hil.build import Image
from nnom_hil.cache import Entry, Kept, UnfitError, obtain
from nnom_hil.codegen.firmware import stack_bytes
from nnom_hil.errors import BuildError, HilError
from nnom_hil.files import digest
from nnom_hil.link.job import Vector
from nnom_hil.link.messages import PrintWhat
from nnom_hil.profiler import machine_for
from nnom_hil.records import BoardFit
from nnom_hil.run.runner import begin_counts
from nnom_hil.run.task import Head, Output
from nnom_hil.target.select import make_target
from nnom_hil.target.session import Session

__all__ = ["board_fit", "counted_classes"]

_SCHEMA: Final = "nnom-hil/memory/1"
_FILE: Final = "memory.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    """The most that was used, in bytes; ready: there was room for the model."""

    heap: int
    stack: int
    ready: bool


def board_fit(
    board: Board, build: Callable[[Board], Image], input_bytes: int, classes: int | None
) -> BoardFit:
    """Return what a model's firmware takes of a board.

    build: makes it, for this board or another with its core. classes: of the answers that NNoM
    counts on the target, None where it counts none. What keeps a figure from being known, or the
    model from fitting, is told in the result.
    """
    room = board.memory
    fit = BoardFit(flash_available=room.flash.length, ram_available=room.ram.length)
    try:
        image = build(board)
        static = image.sizes.static_ram
        fit = fit.model_copy(update={"flash": image.sizes.flash, "ram_static": static})
        if board.core.cpu is Cpu.NATIVE:
            return fit.model_copy(update={"why": "a process has all the memory it wants"})
        return fit.model_copy(
            update=_heap_and_stack(board, partial(_used, build, input_bytes, classes), static)
        )
    except BuildError as exc:
        return fit.model_copy(update={"fits": False, "why": str(exc).splitlines()[0]})
    except HilError as exc:
        return fit.model_copy(update={"why": str(exc).splitlines()[0]})


def _heap_and_stack(
    board: Board, used_on: Callable[[Board], _Used], static: int
) -> dict[str, object]:
    """Return the rest of a fit; static: bytes of the board's own firmware."""
    machine = machine_for(board.core.cpu).model_copy(update={"core": board.core})
    ram = board.memory.ram.length
    room = ram - static - stack_bytes(board)
    used = wanted = used_on(machine)
    if not used.ready or used.heap > room:
        # buffers for speed are left out where there is no room for them
        used = used_on(_with_ram(machine, ram))
    if not used.ready or used.heap > room:
        short = f", {wanted.heap - room} more are needed" if wanted.ready else ""
        return {"fits": False, "why": f"the heap runs out in {ram} bytes of ram{short}"}
    return {"ram_heap": used.heap, "ram_stack": used.stack, "fits": True}


def _with_ram(machine: Board, length: int) -> Board:
    ram = machine.memory.ram
    smaller = ram.model_copy(update={"length": min(length, ram.length)})
    memory = machine.memory.model_copy(update={"ram": smaller})
    return machine.model_copy(update={"memory": memory})


def _used(
    build: Callable[[Board], Image], input_bytes: int, classes: int | None, machine: Board
) -> _Used:
    """Run the model once on an emulated board, with all that a run asks of its firmware.

    Raises as building, make_target and a session do.
    """
    image = build(machine)

    def make() -> dict[str, bytes]:
        used = _measured(machine, image, bytes(input_bytes), classes)
        return {_FILE: json.dumps(asdict(used)).encode()}

    key = digest(_SCHEMA, image.id, str(classes))
    return obtain(Entry(kind="memory", key=key), make, _used_of)


def _used_of(kept: Kept) -> _Used:
    try:
        return _Used(**json.loads(kept.file(_FILE)))
    except (ValueError, TypeError) as exc:
        raise UnfitError(f"{type(exc).__name__}: {exc}") from exc


def _measured(machine: Board, image: Image, data: bytes, classes: int | None) -> _Used:
    session = Session(
        make_target(machine, "qemu", exact=False),
        image.elf,
        image.id,
        on_text=lambda _: None,
        nonce=lambda: random.SystemRandom().getrandbits(32),
    )
    with session:
        client = session.client
        if not session.hello.model_ready:
            return _Used(heap=0, stack=0, ready=False)
        client.time_layers(data)
        for what in (PrintWhat.MODEL_STAT, PrintWhat.IO_FORMAT):
            client.print_table(what)
        counts = classes is not None and begin_counts(client, classes)
        label = 0 if counts else None
        list(client.stream([Vector(index=0, data=data, label=label)]))
        if counts:
            client.print_table(PrintWhat.PREDICTION_SUMMARY)
        status = client.status()
    return _Used(heap=status.heap_used, stack=status.stack_used, ready=True)


def counted_classes(output: Output) -> int | None:
    """Return of how many answers NNoM would count which is right; None where it would not.

    Without labels it is not known whether a few numbers are classes; those that are none cost the
    prediction a table that a run will not have.
    """
    # several sigmoids are as many questions, which NNoM does not count
    counted = output.classes == 1 if output.head is Head.SIGMOID else output.classes > 1
    return output.size if counted and not output.positions else None
