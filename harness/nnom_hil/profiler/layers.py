"""The exact profile of a model: what each of its layers ran in one inference, in QEMU."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board, Cpu, FlashReads
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError
from nnom_hil.link.messages import Hello, LayerTimes
from nnom_hil.profiler.counting import (
    Stretch,
    check_can_count,
    end_and_wait,
    function_extent,
    plugin_options,
    stretches_of,
)
from nnom_hil.target.base import Target
from nnom_hil.target.qemu import QemuTarget
from nnom_hil.target.session import Session
from nnom_hil.temporary import private_folder

__all__ = ["LayerProfile", "ModelProfile", "first_inference", "profile_layers"]

_BEGIN: Final = "model_run"
_LAYER: Final = "note_layer_time"  # the agent's, called at the end of each layer
_HANDLER: Final = "systick_handler"
_CLOCK: Final = (_LAYER, "ticks_now", _HANDLER)
_END_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProfile:
    """What one layer ran, from the end of the one before it to its own; the clock's reading not.

    ticks: of the target's own clock meanwhile, less one reading of it.
    """

    name: str
    stretch: Stretch
    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """One inference. layers: in run order. elf: the program, which disassemble() lists.

    ticks_per_instruction: of the target's clock, which counts virtual time. kernels: what the
    firmware says of them. tool: QEMU's name for its version.
    """

    elf: Path
    core: Cpu
    layers: tuple[LayerProfile, ...]
    ticks_per_instruction: Fraction
    kernels: str
    tool: str

    def clock_instructions(self, layer: LayerProfile) -> float:
        """Return a layer's instructions by the target's own clock, to a tick."""
        return round(float(layer.ticks / self.ticks_per_instruction), 2)


class _CountingQemu(QemuTarget):
    """QEMU with the plugin, which writes what it counted once QEMU is asked to end."""

    def stop(self) -> None:
        if self._process is not None:
            end_and_wait(self._process, Deadline.after(_END_S))
        super().stop()


def profile_layers(
    board: Board,
    elf: Path,
    image_id: str,
    data: bytes,
    names: Sequence[str],
    flash: FlashReads | None = None,
) -> ModelProfile:
    """Run a model's firmware in QEMU, as it is, and return what each layer of one inference ran.

    data: the input. names: of the layers, in run order. flash: by what its reads are to be counted.
    Counts are exact and the same in every run.
    Raises TargetError where the board has no QEMU machine, NNoM returns an error, or the firmware
    is another one; ToolError as counting_plugin does, and what a session raises.
    """
    qemu = check_can_count(board)
    begin, layer = function_extent(elf, _BEGIN)[0], function_extent(elf, _LAYER)[0]
    with private_folder() as folder:
        counts = folder / "counts.txt"
        options = plugin_options(
            counts,
            [begin, layer],
            aside=function_extent(elf, _HANDLER),
            flash=None if flash is None else (board.memory.flash, flash),
        )
        target = _CountingQemu(board, more=options)
        hello, times = _one_inference(target, board, elf, image_id, data)
        stretches = stretches_of(counts)
    if times.status != 0:
        raise TargetError(f"NNoM returned error {times.status} in the inference to profile")
    clock = [function_extent(elf, name) for name in _CLOCK]
    ran = [_without(stretch, clock) for stretch in first_inference(stretches, begin)]
    if not len(ran) == len(times.ticks) == len(names):
        raise TargetError(
            f"{len(names)} layers should have run, {len(times.ticks)} were timed and {len(ran)} "
            "counted: is this firmware of another version?"
        )
    return ModelProfile(
        elf=elf,
        core=board.core.cpu,
        layers=tuple(
            LayerProfile(name=name, stretch=stretch, ticks=ticks)
            for name, stretch, ticks in zip(names, ran, times.ticks, strict=True)
        ),
        ticks_per_instruction=qemu.ticks_per_instruction(board.clock.core_hz),
        kernels=hello.kernels,
        tool=target.facts.description,
    )


def _one_inference(
    target: Target, board: Board, elf: Path, image_id: str, data: bytes
) -> tuple[Hello, LayerTimes]:
    """Run the model once; return who the target is, and what its own clock says of the layers."""
    session = Session(
        target,
        elf,
        image_id,
        on_text=lambda _: None,
        nonce=lambda: random.SystemRandom().getrandbits(32),
    )
    with session:
        hello = session.hello
        if not hello.model_ready:
            raise TargetError(
                f"the model does not fit board {board.name}: the heap ran out in "
                f"{board.memory.ram.length} bytes of ram; use a smaller model or a board with more "
                "memory"
            )
        return hello, session.client.time_layers(data, quiet=False)  # once


def first_inference(stretches: Sequence[Stretch], begin: int) -> list[Stretch]:
    """Return the layers' stretches, from the first mark at `begin` on, without what came after.

    A request that got lost is repeated, and the model may have run more than once.
    """
    marks = [stretch.mark for stretch in stretches]
    if begin not in marks:
        return []
    start = marks.index(begin)
    again = marks[start + 1 :]
    end = start + 1 + (again.index(begin) if begin in again else len(again))
    return list(stretches[start : end - 1])


def _without(stretch: Stretch, extents: Sequence[tuple[int, int]]) -> Stretch:
    """Leave out what functions ran that lie from a start to an end."""
    blocks = (b for b in stretch.blocks if not any(low <= b.start < high for low, high in extents))
    return Stretch(stretch.mark, tuple(blocks))
