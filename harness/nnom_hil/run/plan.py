"""What to run, and who is told about progress."""

from collections.abc import Callable
from dataclasses import dataclass

from nnom_hil.boards import Board
from nnom_hil.run.prepare import Prepared
from nnom_hil.target.base import Target

__all__ = ["Observer", "Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. prepare() is called inside the run, so that its failure is recorded too.

    min_accuracy: the verdict is fail below this share of right answers on the target, 0 to 1.
    """

    board: Board
    model_name: str
    prepare: Callable[[Callable[[str], None]], Prepared]
    target: Callable[[Board], Target]
    compat: bool = False
    min_accuracy: float | None = None


class Observer:
    """Told about progress; does nothing. Front doors override what they show."""

    def step(self, what: str) -> None:
        """Note that a step begins."""

    def vector(self, done: int, total: int) -> None:
        """Note that so many vectors of all are answered."""
