"""One trial of a search: what a conversion is worth, what a build costs, and that it is right."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import HilError
from nnom_hil.matrix import Cell
from nnom_hil.records import Verdict
from nnom_hil.run.estimate import estimate_layers
from nnom_hil.run.judge import Answers, gains
from nnom_hil.run.memory import board_fit, counted_classes
from nnom_hil.run.plan import Observer
from nnom_hil.run.prepare import Prepared, prepare
from nnom_hil.run.request import RunRequest
from nnom_hil.run.runner import build_for
from nnom_hil.run.service import run_and_report
from nnom_hil.tuning import PARTS, Conversion, Point, Score, better_by_chance, differs

__all__ = ["Judged", "check_point", "judge_conversion", "measure_point"]

CHECKED: Final = 32
"""Unseen vectors that a point is checked with on an emulator."""

Gains = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A conversion, and what each choosing vector is worth by it. gain: what that is called.

    prepared: the model so converted; None where it cannot be.
    """

    conversion: Conversion
    choosing: Gains
    gain: str
    prepared: Prepared | None


def judge_conversion(
    request: RunRequest, options: Cell, counts: Mapping[str, int], first: Judged | None
) -> Judged:
    """Convert and let the reference answer all parts of the data. counts: vectors of each.

    first: the conversion that this one is to be better than. Raises ModelError and DataError where
    the default cannot be converted; what keeps others from it is told in the result.
    """
    try:
        prepared = prepare(request.model_file, request.data, options=request.conversion)
    except HilError as exc:
        if first is None and not options:
            raise
        told = Conversion(options=options, trouble=str(exc).splitlines()[0])
        return Judged(conversion=told, choosing=np.empty(0), gain="", prepared=None)
    answers = Answers(
        int8=prepared.expected(len(prepared.x), compat=False),
        keras=prepared.float_outputs,
        scale=2.0**-prepared.graph.output.dec,
    )
    gain, int8, float_ = gains(prepared.output, prepared.truth, answers)
    ends = np.cumsum([counts[part] for part in PARTS])[:-1]
    ours = dict(zip(PARTS, np.split(int8, ends), strict=True))
    keras = dict(zip(PARTS, np.split(float_, ends), strict=True))

    def score(part: str) -> Score | None:
        if not (vectors := len(ours[part])):
            return None
        means = float(ours[part].mean()), float(keras[part].mean())
        return Score(vectors=vectors, int8=means[0], float_=means[1])

    lost = {part: keras[part] - ours[part] for part in PARTS}
    choosing = ours["choosing"]
    conversion = Conversion(
        options=options,
        choosing=score("choosing"),
        calibration=score("calibration"),
        unseen=score("unseen"),
        chance=None if first is None else better_by_chance(choosing, first.choosing),
        overfits=differs(lost["unseen"], lost["calibration"]),
    )
    return Judged(conversion=conversion, choosing=choosing, gain=gain, prepared=prepared)


def measure_point(point: Point, request: RunRequest, judged: Judged) -> Point:
    """Return the point with what its build costs: cycles by the core's model, flash and RAM."""
    prepared, board = judged.prepared, request.board
    if prepared is None:
        return point.model_copy(update={"trouble": judged.conversion.trouble})
    build = partial(build_for, graph=prepared.graph, header=request.header, library=request.library)
    classes = counted_classes(prepared.output)
    try:
        fit = board_fit(board, build, prepared.graph.input.size, classes)
        if fit.ram is None or fit.flash is None:
            return point.model_copy(update={"flash": fit.flash, "trouble": fit.why})
        estimate = estimate_layers(board, prepared, build)
    except HilError as exc:
        return point.model_copy(update={"trouble": str(exc).splitlines()[0]})
    cycles = sum(estimate.cycles)
    return point.model_copy(
        update={
            "cycles": round(cycles, 1),
            "time_us": round(cycles * 1e6 / estimate.core_hz, 1),
            "error_percent": estimate.error_percent,
            "flash": fit.flash,
            "ram": fit.ram,
        }
    )


def check_point(point: Point, request: RunRequest) -> Point:
    """Run the point on the board's emulator and return it with the run, and whether it was right.

    Nothing is run where the board has none: a search flashes no hardware.
    """
    if request.board.backend.qemu is None:
        return point
    outcome = run_and_report(replace(request, backend="qemu", limit=CHECKED), Observer())
    if isinstance(outcome.error, KeyboardInterrupt):
        raise outcome.error
    equal = outcome.record.verdict is Verdict.PASS and outcome.record.outputs_equal
    return point.model_copy(update={"run": outcome.folder.name, "equal": equal})
