"""Keywords that convert and delegate to a run; no logic of their own."""

import os
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from robot.api import logger
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

from nnom_hil import assertions
from nnom_hil.boards import find_board
from nnom_hil.errors import UsageError
from nnom_hil.files import write_whole
from nnom_hil.gates import update_baseline
from nnom_hil.paths import hardware_map
from nnom_hil.record_files import load_record
from nnom_hil.records import RunRecord
from nnom_hil.report.explain import render_explanation
from nnom_hil.robot.options import takes
from nnom_hil.run.boardfiles import backends
from nnom_hil.run.explaining import Wishes, explain_what
from nnom_hil.run.options import request_of
from nnom_hil.run.plan import Observer
from nnom_hil.run.runner import Run
from nnom_hil.run.scan import scan
from nnom_hil.run.service import open_run, report_on, resume_run
from nnom_hil.run.shown import REPORT_FILE
from nnom_hil.run.store import find_run
from nnom_hil.text import printable
from nnom_hil.version import version

__all__ = ["NnomHil"]


def _log_link(report: Path) -> None:
    """Put a link to a report into Robot's log, relative, so that both can be moved together."""
    try:
        folder = BuiltIn().get_variable_value("${OUTPUT DIR}")
    except RobotNotRunningError:
        return
    link = quote(os.path.relpath(report, folder))
    logger.info(f'report: <a href="{link}">{escape(str(report))}</a>', html=True)


class _LogObserver(Observer):
    """Writes the steps to Robot's log."""

    def step(self, what: str) -> None:
        """Log that a step begins."""
        logger.info(what)


@library(scope="SUITE", version=version(), auto_keywords=False)
class NnomHil:
    """Runs quantised networks on emulated Cortex-M boards and checks the results.

    A run is opened with `Open Run` and taken through its steps: `Convert Model`, `Build Firmware`,
    `Start Target`, `Time Layers`, `Stream Vectors`, `Finish Run`. The ``... Should ...`` keywords
    then look at its record. Whatever happens, the target is stopped when the suite ends.

    Example:
    | `Open Run`    board=stm32f4    limit=${50}
    | `Take All Steps`
    | `Outputs Should Equal Reference`
    | `Accuracy Should Be At Least`    0.97
    """

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self) -> None:
        self.ROBOT_LIBRARY_LISTENER = self
        self._run: Run | None = None
        self._record: RunRecord | None = None

    def end_test(self, data: Any, result: Any) -> None:
        """Spell out what would be more than text in a message that Robot shows on a terminal."""
        del data
        result.message = printable(result.message)

    def end_suite(self, data: Any, result: Any) -> None:
        """Leave no emulator behind, whatever the suite did."""
        del data, result
        self.close_run()

    # ---- boards

    @keyword(tags=("Board",))
    def why_board_cannot_run(self, board: str, backend: str, boards: Path | None = None) -> str:
        """Return what keeps a board from running here in a back end; nothing when it can."""
        reasons = backends(find_board(board, boards))
        if backend not in reasons:
            return f"board {board} has no back end {backend}"
        return reasons[backend] or ""

    @keyword(tags=("Board",))
    def scan_boards(self, boards: Path | None = None) -> dict[str, str]:
        """Find attached boards and write the hardware map; return board names by probe."""
        return {f.entry.probe: f.entry.board for f in scan(hardware_map(), boards) if f.here}

    # ---- steps

    @keyword(tags=("Run",))
    @takes("open run")
    def open_run(self, **given: Any) -> Path:
        """Open a run, convert its model, and return its folder; an open run is closed first.

        What is wrong with options, model or data is told here, and leaves no folder.
        """
        self.close_run()
        observer = _LogObserver()
        self._record = None
        if "resume" in given:
            self._run = resume_run(find_run(given["resume"]), observer)
        else:
            self._run = open_run(request_of(given), observer)
        return self._run.folder.path

    @keyword(tags=("Run",))
    def convert_model(self) -> str:
        """Return the content hash of the converted model."""
        return self._open.prepare().graph.content_hash

    @keyword(tags=("Run",))
    def build_firmware(self) -> int:
        """Build the firmware; return its bytes of flash."""
        return self._open.build().sizes.flash

    @keyword(tags=("Run",))
    def start_target(self) -> str:
        """Start the target with the firmware; return the board's name as the target tells it."""
        return self._open.start().board

    @keyword(tags=("Run",))
    def time_layers(self) -> None:
        """Time every layer with a quiet link."""
        self._open.time_layers()

    @keyword(tags=("Run",))
    def profile_layers(self) -> dict[str, int]:
        """Count what every layer runs, in QEMU; return instructions by the layer's name.

        The run's folder and its report have functions, classes of instructions and branches.
        """
        profile = self._open.profile()
        return {layer.name: layer.instructions for layer in profile.layers}

    @keyword(tags=("Run",))
    def fetch_tensors(self) -> dict[str, Any]:
        """Fetch what the layers of `Open Run`'s `tensors` gave for the first vector, behind \
        `Time Layers`; return arrays of int8 by the layer's name.

        The run's folder has them as tensors.npz; one that is not the reference's fails the run.
        """
        return dict(self._open.fetch_tensors())

    @keyword(tags=("Run",))
    def stream_vectors(self) -> int:
        """Stream all vectors; return how many were answered."""
        self._open.stream()
        return len(self._open.found.outputs)

    @keyword(tags=("Run",))
    def finish_run(self) -> str:
        """Stop the target, write record and report; return the verdict: pass, fail or error."""
        self._record = self._open.finish()
        outcome = report_on(self._open, self._record)
        if outcome.unwritten is not None:
            logger.warn(str(outcome.unwritten))
        _log_link(outcome.folder / REPORT_FILE)
        return str(self._record.verdict)

    @keyword(tags=("Run",))
    def take_all_steps(self) -> str:
        """Take every step from `Convert Model` to `Finish Run`; return the verdict."""
        self._open.execute()
        return str(self.finish_run())

    @keyword(tags=("Run",))
    def close_run(self) -> None:
        """Stop the target of an open run; a run that was not finished is recorded as broken."""
        if self._run is not None:
            self._run.finish(UsageError("the run was closed before it was finished"))
            self._run = None

    @property
    def _open(self) -> Run:
        if self._run is None:
            raise AssertionError("no run is open; use `Open Run` first")
        return self._run

    # ---- results

    @property
    def _finished(self) -> RunRecord:
        if self._record is None:
            raise AssertionError("the run is not finished; use `Finish Run` first")
        return self._record

    @keyword(tags=("Result",))
    def get_record(self) -> dict[str, Any]:
        """Return the record of the finished run, as run.json has it."""
        return self._finished.model_dump(mode="json", by_alias=True)

    @keyword(tags=("Result",))
    def explain_run(self) -> dict[str, Any]:
        """Find out why the finished run's answers are wrong; return the explanation's record: \
        findings, none or remarks alone where the run is healthy.

        The target is started again. The run's folder gets explain.html and, where a layer differs,
        explain.npz to replay.
        """
        folder = self._open.folder.path
        assert self._finished
        place = folder / "explain.npz"
        found = explain_what(Wishes(what=folder, given={}, reproducer=place), _LogObserver())
        page = folder / "explain.html"
        write_whole(page, render_explanation(found))
        _log_link(page)
        for finding in found.faults:
            logger.info(f"{finding.cause.value} ({finding.confidence.value}): {finding.says}")
        return found.model_dump(mode="json", by_alias=True)

    @keyword(tags=("Result", "Assertion"))
    def verdict_should_be(self, expected: str) -> None:
        """Fail unless the verdict is `expected`: pass, fail or error; the message gives reasons."""
        assertions.verdict_is(self._finished, expected)

    @keyword(tags=("Result", "Assertion"))
    def outputs_should_equal_reference(self) -> None:
        """Fail unless every planned vector's output equals the reference's, byte for byte."""
        assertions.outputs_equal_reference(self._finished)

    @keyword(tags=("Result", "Assertion"))
    def outputs_should_equal_those_of(self, run: Path) -> None:
        """Fail unless another run of the same vectors, by its folder, gave the same bytes."""
        assertions.outputs_equal_those_of(self._finished, load_record(find_run(run)))

    @keyword(tags=("Result", "Assertion"))
    def task_should_be(self, expected: str) -> None:
        """Fail unless this was judged: classification, binary, multi_label, regression, \
        reconstruction, none (no labels).
        """
        assertions.task_is(self._finished, expected)

    @keyword(tags=("Result", "Assertion"))
    def accuracy_should_be_at_least(self, share: float) -> float:
        """Fail if the target's share of right answers is below `share`; return it.

        Of several labels for each input, it is the share of all labels that are right. The message
        names the classes that are confused most often, and vectors with wrong answers.
        """
        return assertions.accuracy_at_least(self._finished, share)

    @keyword(tags=("Result", "Assertion"))
    def accuracy_should_be_within(self, points: float) -> None:
        """Fail if accuracy on the target is more than `points` percentage points below float."""
        assertions.accuracy_within(self._finished, points)

    @keyword(tags=("Result", "Assertion"))
    def error_should_be_at_most(self, error: float) -> float:
        """Fail if the mean absolute error on the target, against the targets, is above `error`; \
        return it.
        """
        return assertions.error_at_most(self._finished, error)

    @keyword(tags=("Result", "Assertion"))
    def layer_times_should_be_positive(self) -> None:
        """Fail if any layer has no time, or no instructions where an emulator counts them."""
        assertions.layers_are_timed(self._finished)

    @keyword(tags=("Result", "Assertion"))
    def inference_time_should_be_at_most(self, us: float, source: str) -> float:
        """Fail if an inference takes more than `us` microseconds by `source`, or if its time is \
        anything else's; return it.

        source: dwt or systick (cycles of a real core), model (cycles estimated), host. An emulator
        gives no times without the model: use `Inference Instructions Should Be At Most`.
        """
        return assertions.inference_time_at_most(self._finished, us, source)

    @keyword(tags=("Result", "Assertion"))
    def layer_time_should_be_at_most(self, layer: str, us: float, source: str) -> float:
        """Fail as `Inference Time Should Be At Most` does, of one layer by its name."""
        return assertions.layer_time_at_most(self._finished, layer, us, source)

    @keyword(tags=("Result", "Assertion"))
    def inference_instructions_should_be_at_most(self, count: int) -> int:
        """Fail if an inference takes more instructions, or if none were counted; return them."""
        return assertions.inference_instructions_at_most(self._finished, count)

    @keyword(tags=("Result", "Assertion"))
    def layer_instructions_should_be_at_most(self, layer: str, count: int) -> int:
        """Fail if a layer takes more instructions, or if none were counted; return them."""
        return assertions.layer_instructions_at_most(self._finished, layer, count)

    @keyword(tags=("Result", "Assertion"))
    def flash_should_be_at_most(self, limit: int) -> int:
        """Fail if the firmware takes more than `limit` bytes of flash; return them."""
        return assertions.flash_at_most(self._finished, limit)

    @keyword(tags=("Result", "Assertion"))
    def ram_should_be_at_most(self, limit: int) -> int:
        """Fail if static data, heap and stack take more than `limit` bytes; return them."""
        return assertions.ram_at_most(self._finished, limit)

    @keyword(tags=("Result", "Assertion"))
    def stack_should_be_at_most(self, limit: int) -> int:
        """Fail if the stack was ever deeper than `limit` bytes; return its depth."""
        return assertions.stack_at_most(self._finished, limit)

    @keyword(tags=("Result", "Assertion"))
    def printed_tables_should_agree(self) -> None:
        """Fail if what the target printed contradicts what it returned, or was not compared."""
        assertions.tables_agree(self._finished)

    @keyword(tags=("Result",))
    def write_baseline(self, baseline: Path) -> None:
        """Write the run's figures into a baseline's file, as ``nnom-hil compare --update`` does."""
        update_baseline(baseline, self._finished)

    @keyword(tags=("Result", "Assertion"))
    def gates_should_hold(self, baseline: Path | None = None, gates: Path | None = None) -> None:
        """Fail if the run is worse than its baseline by more than the gates allow.

        baseline: a file, made by ``nnom-hil compare --update``
        [reports/baselines/<board>/<model>.json]. gates: a TOML file of what is allowed. The message
        names each gate that failed, with expected and actual figure.
        """
        comparison = assertions.gates_hold(self._finished, baseline, gates)
        for note in comparison.notes:
            logger.info(note)
