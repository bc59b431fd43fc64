"""What the layers of a model run on a board's core, counted in QEMU or by Renode; as a record."""

import random
from typing import Any, Final

from nnom_hil.boards import Board, core_timing
from nnom_hil.build import Image
from nnom_hil.errors import TargetError
from nnom_hil.model.qgraph import QNode
from nnom_hil.profiler import (
    Instruction,
    LayerProfile,
    ModelProfile,
    by_function,
    disassemble,
)
from nnom_hil.profiles import ProfiledFunction, ProfiledLayer, ProfileRecord
from nnom_hil.run.estimate import error_percent, price_layers
from nnom_hil.run.kernels import kernel_forms
from nnom_hil.run.prepare import Prepared
from nnom_hil.run.verdict import activation_name, layer_type
from nnom_hil.target.base import Target
from nnom_hil.target.clock import judge_clock
from nnom_hil.target.session import Session

__all__ = ["FOLDED_FILE", "count_by_clock", "profile_record"]

FOLDED_FILE: Final = "profile.folded"
_BY_CLOCK: Final = (
    "Instructions by the target's clock, to a tick, with the few around its reading. "
    "Functions, classes of instructions and branches can be counted in QEMU only."
)


def profile_record(
    profile: ModelProfile, board: Board, place: Board, image: Image, prepared: Prepared, model: str
) -> ProfileRecord:
    """Return the record of a profile: by layer, function and class, with estimated cycles.

    profile: counted with the board's flash. model: its name. Raises ToolError where the program
    cannot be disassembled, TargetError where code ran that it does not have.
    """
    listing = disassemble(profile.elf, profile.core)
    timing = core_timing(board.core.cpu)
    priced = [] if timing is None else price_layers(profile, listing, timing, board.flash)
    layers = []
    for i, (node, counted) in enumerate(zip(prepared.graph.nodes, profile.layers, strict=True)):
        functions = _functions(counted, listing)
        layers.append(
            ProfiledLayer(
                **_layer_facts(prepared, node),
                instructions=counted.stretch.instructions,
                taken=sum(function.taken for function in functions),
                cycles=round(priced[i].total, 1) if priced else None,
                clock_instructions=profile.clock_instructions(counted),
                functions=functions,
            )
        )
    return ProfileRecord(
        **_facts(board, image, prepared, model),
        counted_on=place.name,
        emulator=profile.tool,
        kernels=kernel_forms(profile.kernels),
        error_percent=None if timing is None else error_percent(board, timing, priced),
        layers=tuple(layers),
    )


def count_by_clock(
    target: Target, board: Board, image: Image, prepared: Prepared, model: str
) -> ProfileRecord:
    """Run the first vector on an emulator that counts nothing but time; return what its clock says.

    Raises TargetError where that clock does not count instructions, and what a session raises.
    """
    with Session(
        target,
        image.elf,
        image.id,
        on_text=lambda _: None,
        nonce=lambda: random.SystemRandom().getrandbits(32),
    ) as session:
        per_instruction = judge_clock(
            session.hello, board, emulated=target.facts.emulated
        ).ticks_per_instruction
        if per_instruction is None:
            raise TargetError(
                f"board {board.name}: its clock there does not count instructions; leave out "
                "--backend, so that they are counted in QEMU"
            )
        kernels = session.hello.kernels
        times = session.client.time_layers(prepared.x[0].tobytes())
    if times.status != 0 or len(times.ticks) != len(prepared.graph.nodes):
        raise TargetError(f"NNoM returned error {times.status} in the inference to profile")
    layers = [
        ProfiledLayer(
            **_layer_facts(prepared, node),
            instructions=round(ticks / per_instruction),
            taken=None,
            clock_instructions=round(float(ticks / per_instruction), 2),
        )
        for node, ticks in zip(prepared.graph.nodes, times.ticks, strict=True)
    ]
    return ProfileRecord(
        **_facts(board, image, prepared, model),
        counted_on=board.name,
        emulator=target.facts.description,
        kernels=kernel_forms(kernels),
        layers=tuple(layers),
        notes=(_BY_CLOCK,),
    )


def _facts(board: Board, image: Image, prepared: Prepared, model: str) -> dict[str, Any]:
    return {
        "board": board.name,
        "core": board.core.cpu.value,
        "compiler": image.compiler,
        "model": model,
        "model_hash": prepared.graph.content_hash,
        "image_id": image.id,
    }


def _layer_facts(prepared: Prepared, node: QNode) -> dict[str, Any]:
    return {
        "name": node.name,
        "type": layer_type(node),
        "activation": activation_name(node),
        "shape": node.shape,
        "macs": prepared.graph.macs_of(node),
    }


def _functions(
    layer: LayerProfile, listing: dict[int, Instruction]
) -> tuple[ProfiledFunction, ...]:
    found = by_function(layer.stretch, listing)
    functions = [
        ProfiledFunction(
            name=name,
            instructions=counts.instructions,
            taken=counts.taken,
            classes={kind.value: count for kind, count in counts.classes.items()},
        )
        for name, counts in found.items()
    ]
    return tuple(sorted(functions, key=lambda f: (-f.instructions, f.name)))
