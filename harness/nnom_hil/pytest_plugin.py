"""pytest's door: `hil_run` runs a model as `nnom-hil run` does, `hil_session` holds a target.

Loaded by every pytest where nnom-hil is installed: nothing heavy is imported before a fixture is
used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nnom_hil.records import RunRecord
    from nnom_hil.run.runner import Run

__all__ = ["HilRun", "HilSession"]

_OPTIONS: Final = {
    "board": "A board's name, or a .toml file [stm32f4].",
    "backend": "What runs the board: native, qemu, renode or probe [the first that is there].",
    "boards": "A folder with board files of your own.",
    "port": "Device or pyserial URL of the board's console.",
    "probe": "Flash by this probe's id.",
    "runs": "Folder of runs [reports/runs].",
}
_FOLDERS: Final = ("boards", "runs")
_REPORTS: Final = pytest.StashKey[list[str]]()


@dataclass(frozen=True, slots=True, kw_only=True)
class HilRun:
    """A run that is over. folder: has run.json, report.html, the console and the journal."""

    record: "RunRecord"
    folder: Path

    @property
    def report(self) -> Path:
        """The page about it."""
        return self.folder / "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class HilSession:
    """A target with a model on it, started and ready to answer."""

    run: "Run"

    @property
    def board(self) -> str:
        """The board's name."""
        return self.run.plan.board.name

    @property
    def console(self) -> str:
        """What the target has printed so far."""
        return self.run.folder.console_text()

    def quantise(self, x: "npt.NDArray[Any]") -> "npt.NDArray[np.int8]":
        """Return inputs (n, *shape), in the Keras model's units, as the target takes them."""
        return self.run.plan.prepared.graph.quantise(x)

    def infer(self, x: "npt.NDArray[Any]") -> "npt.NDArray[np.int8]":
        """Return the target's int8 outputs (n, outputs) for inputs (n, *shape): int8 as they are,
        others in the Keras model's units. Raises UsageError for inputs of another size, LinkError
        and TargetError where the target does not answer.
        """
        return self.run.infer(x if x.dtype == "int8" else self.quantise(x))

    def reference(self, x: "npt.NDArray[Any]") -> "npt.NDArray[np.int8]":
        """Return the right answers to what infer() is given, from the NumPy reference."""
        from nnom_hil.model.reference import run_reference

        graph = self.run.plan.prepared.graph
        rows = x if x.dtype == "int8" else self.quantise(x)
        outputs = run_reference(
            graph, rows.reshape(-1, *graph.input.shape), compat=self.run.plan.compat
        )
        return outputs.reshape(len(rows), -1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --hil-board and those beside it."""
    group = parser.getgroup("nnom-hil", "quantised networks on Cortex-M boards")
    for name, text in _OPTIONS.items():
        group.addoption(f"--hil-{name}", dest=f"hil_{name}", metavar=name.upper(), help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "hil(**options): options of nnom-hil run for hil_run and hil_session"
    )
    config.stash[_REPORTS] = []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name the reports of the runs."""
    if config.stash[_REPORTS]:
        terminalreporter.section("nnom-hil reports")
        for line in config.stash[_REPORTS]:
            terminalreporter.write_line(line)


def _options(request: pytest.FixtureRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Return the command line's options, over the marker's, over these; raises UsageError."""
    from nnom_hil.errors import UsageError, did_you_mean
    from nnom_hil.run.options import checked, options_of

    marker = request.node.get_closest_marker("hil")
    wishes = {**given, **(marker.kwargs if marker is not None else {})}
    for name in _OPTIONS:
        if (value := request.config.getoption(f"hil_{name}")) is not None:
            wishes[name] = Path(value) if name in _FOLDERS else value
    known = {option.name: option for option in options_of("run")}
    for name in wishes:
        if name not in known:
            raise UsageError(f"hil: no option {name!r}{did_you_mean(name, known)}")
    paths = {name for name, option in known.items() if option.kind is Path}
    return checked({n: Path(v) if n in paths and v else v for n, v in wishes.items()})


@pytest.fixture
def hil_run(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[..., HilRun]:
    """Return a function that runs a model and returns what became of it.

    It takes the options of `nnom-hil run` by name; those of the command line (--hil-board) come
    before them. A run that ends without a verdict raises its HilError; one that fails does not:
    look at its record, or use nnom_hil.assertions.
    """

    def run(**given: Any) -> HilRun:
        from nnom_hil.run.options import request_of
        from nnom_hil.run.plan import Observer
        from nnom_hil.run.service import run_and_report

        outcome = run_and_report(request_of(_options(request, given)), Observer())
        done = HilRun(record=outcome.record, folder=outcome.folder)
        record_property("hil_report", str(done.report))
        request.config.stash[_REPORTS].append(
            f"{outcome.record.verdict} {outcome.record.model} on {outcome.record.board}: "
            f"{done.report}"
        )
        if outcome.error is not None:
            raise outcome.error
        return done

    return run


@pytest.fixture(scope="module")
def hil_session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HilSession]:
    """Hold a started target for a module's tests; options by `pytestmark = pytest.mark.hil(...)`.

    The target is stopped behind the module's last test, whatever happened. It is no run of the
    model's own vectors, so that its folder is a temporary one.
    """
    from nnom_hil.errors import UsageError
    from nnom_hil.run.options import request_of
    from nnom_hil.run.service import open_run

    options = {**_options(request, {}), "runs": tmp_path_factory.mktemp("hil")}
    run = open_run(request_of(options))
    try:
        run.prepare()
        run.build()
        run.start()
        yield HilSession(run=run)
    finally:
        run.finish(UsageError("a session of tests: no vectors were streamed"))
