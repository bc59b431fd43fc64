"""What the layers of a model run on a board's core, counted in QEMU; as a record."""

from typing import Final

from nnom_hil.boards import Board
from nnom_hil.build import Image
from nnom_hil.profiler import (
    Instruction,
    LayerProfile,
    ModelProfile,
    by_function,
    disassemble,
    profile_layers,
)
from nnom_hil.profiles import ProfiledFunction, ProfiledLayer, ProfileRecord
from nnom_hil.run.kernels import kernel_forms
from nnom_hil.run.prepare import Prepared
from nnom_hil.run.verdict import activation_name, layer_type

__all__ = ["FOLDED_FILE", "PROFILE_FILE", "count_model", "profile_record"]

PROFILE_FILE: Final = "profile.json"
FOLDED_FILE: Final = "profile.folded"


def count_model(place: Board, image: Image, prepared: Prepared) -> ModelProfile:
    """Run the first vector on the board that counts, and return what each layer ran.

    place, image: of counting_board(), and the firmware for it. Raises as profile_layers does.
    """
    names = [node.name for node in prepared.graph.nodes]
    return profile_layers(place, image.elf, image.id, prepared.x[0].tobytes(), names)


def profile_record(
    profile: ModelProfile, board: Board, place: Board, image: Image, prepared: Prepared, model: str
) -> ProfileRecord:
    """Return the record of a profile: by layer, function and class.

    model: its name. Raises ToolError where the program cannot be disassembled, TargetError where
    code ran that it does not have.
    """
    graph = prepared.graph
    listing = disassemble(profile.elf, profile.core)
    layers = []
    for node, counted in zip(graph.nodes, profile.layers, strict=True):
        functions = _functions(counted, listing)
        layers.append(
            ProfiledLayer(
                name=node.name,
                type=layer_type(node),
                activation=activation_name(node),
                shape=node.shape,
                macs=graph.macs_of(node),
                instructions=counted.stretch.instructions,
                taken=sum(function.taken for function in functions),
                clock_instructions=profile.clock_instructions(counted),
                functions=functions,
            )
        )
    return ProfileRecord(
        board=board.name,
        core=profile.core.value,
        counted_on=place.name,
        emulator=profile.tool,
        compiler=image.compiler,
        kernels=kernel_forms(profile.kernels),
        model=model,
        model_hash=graph.content_hash,
        image_id=image.id,
        layers=tuple(layers),
    )


def _functions(
    layer: LayerProfile, listing: dict[int, Instruction]
) -> tuple[ProfiledFunction, ...]:
    found = by_function(layer.stretch, listing)
    functions = [
        ProfiledFunction(
            name=name,
            instructions=counts.instructions,
            taken=counts.taken,
            classes={kind.value: count for kind, count in counts.classes.most_common()},
        )
        for name, counts in found.items()
    ]
    return tuple(sorted(functions, key=lambda f: (-f.instructions, f.name)))
