"""Which functions a stretch ran, and what kinds of instructions; pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from nnom_hil.errors import TargetError
from nnom_hil.profiler.counting import Stretch
from nnom_hil.profiler.listing import Instruction, InstructionClass

__all__ = ["FunctionCounts", "by_function"]


@dataclass(slots=True)
class FunctionCounts:
    """What one function ran, without what it called. taken: branches that it left a block by."""

    classes: Counter[InstructionClass] = field(default_factory=Counter)
    taken: int = 0

    @property
    def instructions(self) -> int:
        """Of all classes."""
        return self.classes.total()


def by_function(stretch: Stretch, listing: Mapping[int, Instruction]) -> dict[str, FunctionCounts]:
    """Return what each function ran. listing: the program's instructions by their addresses.

    Raises TargetError for code that the program does not have.
    """
    found: dict[str, FunctionCounts] = {}
    for block in stretch.blocks:
        address = block.start
        for _ in range(block.instructions):
            instruction = listing.get(address)
            if instruction is None:
                raise TargetError(
                    f"the target ran code at {address:#010x}, where the program has none: is it "
                    "changed or damaged?"
                )
            counts = found.setdefault(instruction.function, FunctionCounts())
            counts.classes[instruction.kind] += block.executions
            address += instruction.size
        counts.taken += block.taken
    return found
