"""What a model will take of a board, before anything runs there.

Flash and static data are those of firmware that is linked for the board. Heap and stack are the
code's and the model's, not the board's: the same firmware tells them on an emulated core that runs
the board's instructions.
"""

import json
import random
from dataclasses import asdict, dataclass
from typing import Final

from nnom_hil.boards import Board, Cpu
from nnom_hil.build import Image
from nnom_hil.cache import Entry, Kept, UnfitError, obtain
from nnom_hil.codegen.firmware import stack_bytes
from nnom_hil.errors import BuildError, HilError
from nnom_hil.files import digest
from nnom_hil.link.job import Vector
from nnom_hil.link.messages import PrintWhat
from nnom_hil.model.qgraph import QGraph
from nnom_hil.profiler import machine_for
from nnom_hil.records import BoardFit
from nnom_hil.run.runner import begin_counts, build_for
from nnom_hil.target.select import make_target
from nnom_hil.target.session import Session

__all__ = ["board_fit"]

_SCHEMA: Final = "nnom-hil/memory/1"
_FILE: Final = "memory.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    """The most that was used, in bytes; ready: there was room for the model."""

    heap: int
    stack: int
    ready: bool


def board_fit(
    board: Board, graph: QGraph, classes: int | None, image: Image | None = None
) -> BoardFit:
    """Return what firmware with the model takes of a board.

    classes: of the answers that NNoM counts on the target, None where it counts none. What keeps a
    figure from being known, or the model from fitting, is told in the result.
    """
    room = board.memory
    fit = BoardFit(flash_available=room.flash.length, ram_available=room.ram.length)
    try:
        image = build_for(board, graph)
        static = image.sizes.static_ram
        fit = fit.model_copy(update={"flash": image.sizes.flash, "ram_static": static})
        if board.core.cpu is Cpu.NATIVE:
            return fit.model_copy(update={"why": "a process has all the memory it wants"})
        return fit.model_copy(update=_heap_and_stack(board, graph, classes, static))
    except BuildError as exc:
        return fit.model_copy(update={"fits": False, "why": str(exc).splitlines()[0]})
    except HilError as exc:
        return fit.model_copy(update={"why": str(exc).splitlines()[0]})


def _heap_and_stack(
    board: Board, graph: QGraph, classes: int | None, static: int
) -> dict[str, object]:
    """Return the rest of a fit; static: bytes of the board's own firmware."""
    machine = machine_for(board.core.cpu).model_copy(update={"core": board.core})
    ram = board.memory.ram.length
    room = ram - static - stack_bytes(board)
    used = wanted = _used(machine, graph, classes)
    if not used.ready or used.heap > room:
        # buffers for speed are left out where there is no room for them
        used = _used(_with_ram(machine, ram), graph, classes)
    if not used.ready or used.heap > room:
        short = f", {wanted.heap - room} more are needed" if wanted.ready else ""
        return {"fits": False, "why": f"the heap runs out in {ram} bytes of ram{short}"}
    return {"ram_heap": used.heap, "ram_stack": used.stack, "fits": True}


def _with_ram(machine: Board, length: int) -> Board:
    ram = machine.memory.ram
    smaller = ram.model_copy(update={"length": min(length, ram.length)})
    memory = machine.memory.model_copy(update={"ram": smaller})
    return machine.model_copy(update={"memory": memory})


def _used(machine: Board, graph: QGraph, classes: int | None) -> _Used:
    """Run the model once on an emulated board, with all that a run asks of its firmware.

    Raises as build_for, make_target and a session do.
    """
    image = build_for(machine, graph)

    def make() -> dict[str, bytes]:
        used = _measured(machine, image, graph, classes)
        return {_FILE: json.dumps(asdict(used)).encode()}

    key = digest(_SCHEMA, image.id, str(classes))
    return obtain(Entry(kind="memory", key=key), make, _used_of)


def _used_of(kept: Kept) -> _Used:
    try:
        return _Used(**json.loads(kept.file(_FILE)))
    except (ValueError, TypeError) as exc:
        raise UnfitError(f"{type(exc).__name__}: {exc}") from exc


def _measured(machine: Board, image: Image, graph: QGraph, classes: int | None) -> _Used:
    session = Session(
        make_target(machine, "qemu", exact=False),
        image.elf,
        image.id,
        on_text=lambda _: None,
        nonce=lambda: random.SystemRandom().getrandbits(32),
    )
    data = bytes(graph.input.size)
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
