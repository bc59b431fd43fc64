"""The cycle model: what an exact profile costs on a core, and where reads of flash make it wait.

Each block's instructions are put through the core's pipeline (profiler.pipeline) once and count as
often as the block ran; branches count as often as they were taken. Reads of flash that no cache
spares wait for the board's wait states; those for code that follow each other are fetched ahead
while the instructions before them run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nnom_hil.boards import CoreTiming, FlashReads
from nnom_hil.profiler.counting import Block, Stretch
from nnom_hil.profiler.listing import Instruction, InstructionClass
from nnom_hil.profiler.pipeline import branch_cycles, straight_cycles

__all__ = ["StretchCycles", "stretch_cycles"]

_BYTES_PER_CYCLE: Final = 4  # of code that runs while the next read is fetched ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchCycles:
    """Estimated cycles. by_class: of the pipeline; code, data: waiting for flash, for instructions
    and for what is loaded.
    """

    by_class: Mapping[InstructionClass, float]
    code: float
    data: float

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self.by_class.values()) + self.code + self.data


def stretch_cycles(
    stretch: Stretch,
    listing: Mapping[int, Instruction],
    timing: CoreTiming,
    flash: FlashReads | None,
) -> StretchCycles:
    """Estimate what a stretch takes.

    listing: the program's instructions by address. flash: of the board, None where it answers at
    once; the stretch must have been counted with it.
    """
    by_class = dict.fromkeys(InstructionClass, 0.0)
    for block in stretch.blocks:
        code = _code(block, listing)
        for instruction, cycles in zip(code, straight_cycles(code, timing), strict=True):
            by_class[instruction.kind] += cycles * block.executions
        left = branch_cycles(code, block.executions, block.taken, timing)
        by_class[InstructionClass.BRANCH] += left
    code_wait = data_wait = 0.0
    if flash is not None:
        ahead = max(0, flash.wait_states - flash.width // _BYTES_PER_CYCLE)
        code_wait = sum(
            block.elsewhere * flash.wait_states + block.following * ahead
            for block in stretch.blocks
        )
        data_wait = sum(block.data for block in stretch.blocks) * flash.wait_states
    return StretchCycles(by_class=by_class, code=code_wait, data=data_wait)


def _code(block: Block, listing: Mapping[int, Instruction]) -> Sequence[Instruction]:
    code, address = [], block.start
    for _ in range(block.instructions):
        instruction = listing[address]
        code.append(instruction)
        address += instruction.size
    return code
