"""What to run, and who is told about progress."""

from collections.abc import Callable
from dataclasses import dataclass, field

from nnom_hil.boards import Board
from nnom_hil.build import Image, Library
from nnom_hil.codegen.layouts import HeaderOptions
from nnom_hil.link.faults import LinkFaults
from nnom_hil.records import TunedEpoch, TunedScore
from nnom_hil.run.asked import Encoding, Timing
from nnom_hil.run.prepare import Prepared
from nnom_hil.target.base import Target

__all__ = ["Encoding", "FineTuneObserver", "MatrixObserver", "Observer", "Plan", "Timing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run; header: how weights.h is written.

    min_accuracy: the verdict is fail below this share of right answers on the target, 0 to 1.
    max_error: it is fail above this mean absolute error. library: what the firmware is built on.
    weights: the text of a weights.h to build instead of the model's own. image, library_tools: what
    another machine has built, and the versions of what is not ours in its library.
    jobs: targets that share the vectors. timing_only: the layers are timed and no vectors
    streamed. profile: what the layers run is counted, too. tensors: layers whose outputs
    for the first vector are fetched. faults, seed: what is spoiled on the
    link while vectors stream. baud: rate to try after the handshake, on a real serial line.
    conversion: how the model was converted, in words. command: what repeats this run. commit: of
    the tree that it was asked for in.
    """

    board: Board
    model_name: str
    prepared: Prepared
    target: Callable[[Board], Target]
    header: HeaderOptions = field(default_factory=HeaderOptions)
    compat: bool = False
    min_accuracy: float | None = None
    max_error: float | None = None
    library: Library = field(default_factory=Library)
    weights: str | None = None
    image: Image | None = None
    library_tools: dict[str, str] | None = None
    jobs: int = 1
    timing: Timing = field(default_factory=Timing)
    timing_only: bool = False
    profile: bool = False
    tensors: tuple[str, ...] = ()
    encoding: Encoding = Encoding.AUTO
    faults: LinkFaults | None = None
    seed: int = 0
    baud: int | None = None
    conversion: str | None = None
    command: tuple[str, ...] = ()
    commit: str | None = None


class Observer:
    """Told about progress; does nothing. Front doors override what they show."""

    def step(self, what: str) -> None:
        """Note that a step begins."""

    def phase(self, name: str) -> None:
        """Note that a phase begins: conversion, build, start, timing ... (docs/measured.md)."""

    def vector(self, done: int, total: int) -> None:
        """Note that so many vectors of all are answered."""


class FineTuneObserver:
    """Is told how far a fine-tuning has come; does nothing."""

    def step(self, what: str) -> None:
        """A step begins."""

    def epoch(self, seed: int, epoch: TunedEpoch, best: TunedScore) -> None:
        """An epoch has ended; best: of this seed so far."""


class MatrixObserver:
    """Is told how the cells of a matrix get on; does nothing."""

    def begin(self, done: int, total: int) -> None:
        """Cells of an earlier attempt, and all there are."""

    def step(self, name: str, what: str) -> None:
        """A cell, or the conversion of models, takes a step."""

    def notice(self, name: str, text: str) -> None:
        """A cell has something to say that a user should know."""

    def end(self, name: str, said: str) -> None:
        """A cell has ended."""
