"""Which emulated board counts for a board: its own machine, or one whose core runs its code."""

from typing import Final

from nnom_hil.boards import Board, Cpu, list_boards, load_board
from nnom_hil.errors import TargetError

__all__ = ["counting_board", "machine_for"]

_RUN_BY: Final = {
    Cpu.CORTEX_M0: (Cpu.CORTEX_M0, Cpu.CORTEX_M3),
    Cpu.CORTEX_M0PLUS: (Cpu.CORTEX_M0, Cpu.CORTEX_M3),
    Cpu.CORTEX_M3: (Cpu.CORTEX_M3,),
    Cpu.CORTEX_M4: (Cpu.CORTEX_M4,),
    Cpu.CORTEX_M7: (Cpu.CORTEX_M7,),
    Cpu.CORTEX_M23: (Cpu.CORTEX_M33,),
    Cpu.CORTEX_M33: (Cpu.CORTEX_M33,),
    Cpu.CORTEX_M55: (Cpu.CORTEX_M55,),
}
"""The emulated cores that run what was compiled for a core, instruction by instruction."""


def counting_board(board: Board) -> Board:
    """Return a board whose QEMU machine runs code for a board's core; itself where it has one.

    Another one has this board's core and everything else of its own, so that its firmware has the
    same instructions at other addresses. Raises TargetError where QEMU has no such core.
    """
    if board.backend.qemu is not None:
        return board
    return machine_for(board.core.cpu).model_copy(update={"core": board.core})


def machine_for(core: Cpu) -> Board:
    """Return the board with most memory whose QEMU machine runs code for a core.

    Raises TargetError where QEMU has none.
    """
    known = [load_board(path) for path in list_boards().values()]
    cores = _RUN_BY.get(core, ())
    able = [b for b in known if b.backend.qemu is not None and b.core.cpu in cores]
    if not able:
        raise TargetError(
            f"instructions are counted in QEMU, which has no core that runs code for a {core.value}"
        )
    return max(able, key=lambda b: b.memory.ram.length)
