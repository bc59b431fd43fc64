"""MLPerf Tiny's benchmarks on one board: accuracy, throughput, memory, estimated cycles."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from nnom_hil.boards import Board, published_mlperf
from nnom_hil.build import Image
from nnom_hil.codegen.mlperf import Benchmark, MlperfSettings, mlperf_settings
from nnom_hil.deadline import Deadline
from nnom_hil.errors import HilError, TargetError, UsageError, did_you_mean
from nnom_hil.mlperf.client import Inference, MlperfClient
from nnom_hil.mlperf.dataset import (
    MODELS,
    Sample,
    find_mlperf_data,
    find_mlperf_model,
    roc_auc,
    top1,
)
from nnom_hil.mlperf.expected import expected_results
from nnom_hil.mlperf_record import MlperfRecord, MlperfRow, PublishedResult
from nnom_hil.run.estimate import estimate_layers
from nnom_hil.run.memory import board_fit
from nnom_hil.run.mlperf_data import prepared_data
from nnom_hil.run.prepare import Prepared
from nnom_hil.run.request import RunRequest
from nnom_hil.run.runner import build_for
from nnom_hil.run.serve import emulator_of
from nnom_hil.target.base import Target
from nnom_hil.target.port import PortTarget
from nnom_hil.target.qemu import QemuTarget
from nnom_hil.times import TimeSource

__all__ = ["MlperfRequest", "named_benchmarks", "named_files", "run_mlperf"]

_START_S: Final = 120.0
_QUIET_S: Final = 1.0
_MARGIN: Final = 1.05
_MEASURED_S: Final = 0.1  # a first measurement takes at least so long
_MOST_HOST_S: Final = 25.0  # of the 30 that an answer may take
_REPOSITORY: Final = "mlcommons/tiny, benchmark/training/*/trained_models"
_DATA_FROM: Final = "labels and what makes the files: mlcommons/tiny, benchmark/evaluation/datasets"


@dataclass(frozen=True, slots=True, kw_only=True)
class MlperfRequest:
    """run: board, conversion, library, back end, port, pixels, limit (files of a data set).

    benchmarks: none is all that there are models and data of. models, datasets: folders of them;
    model, data: files by benchmark. windows: of each benchmark; window_s: the least that one takes
    by the device's clock.
    """

    run: RunRequest
    benchmarks: tuple[Benchmark, ...] = ()
    models: Path | None = None
    datasets: Path | None = None
    model: Mapping[Benchmark, Path] = field(default_factory=dict)
    data: Mapping[Benchmark, Path] = field(default_factory=dict)
    windows: int = 5
    window_s: float = 10.0
    accuracy: bool = True
    performance: bool = True


def run_mlperf(
    request: MlperfRequest, on_step: Callable[[str], None] = lambda _: None
) -> MlperfRecord:
    """Build and run the benchmarks that were asked for.

    Raises UsageError where there is nothing to run, or what was named is missing, and what building
    and targets raise.
    """
    found, missing = _found(request)
    if not found or (request.benchmarks and missing):
        raise UsageError("\n".join(["mlperf: something is missing to run", *missing.values()]))
    board = request.run.board
    rows, target, clock, words = [], "", "", ""
    for benchmark, (model, data) in found.items():
        on_step(f"{benchmark}: preparing the model")
        one = _One.of(request, benchmark, model, data)
        with one.device(on_step) as (device, client):
            target, clock, words = device.facts.description, *_clock_of(device, board)
            rows.append(one.row(client, on_step))
    table = published_mlperf()
    return MlperfRecord(
        board=board.name,
        core=str(board.core.cpu),
        target=target,
        clock=clock,
        clock_words=words,
        rows=rows,
        missing={str(name): text for name, text in missing.items()},
        published=[
            PublishedResult(
                round=row.round,
                submitter=row.submitter,
                board=row.board,
                core=str(row.core),
                clock_hz=row.clock_hz,
                per_second={b: r for b in Benchmark if (r := getattr(row, b)) is not None},
            )
            for row in table.results
            if row.core is board.core.cpu
        ],
        source=table.source,
    )


def _found(
    request: MlperfRequest,
) -> tuple[dict[Benchmark, tuple[Path, Path]], dict[Benchmark, str]]:
    """Return model and data of each benchmark, and what is missing of others."""
    found, missing = {}, {}
    for benchmark in request.benchmarks or tuple(Benchmark):
        model, data = request.model.get(benchmark), request.data.get(benchmark)
        if model is None and request.models is not None:
            model = find_mlperf_model(request.models, benchmark)
        if data is None and request.datasets is not None:
            data = find_mlperf_data(request.datasets, benchmark)
        if model is not None and data is not None:
            found[benchmark] = model, data
            continue
        told = []
        if model is None:
            names = " or ".join((f"{benchmark}.keras", *MODELS[benchmark]))
            told.append(
                f"no model: --model {benchmark}=FILE, or {names} in the folder of --models "
                f"({_REPOSITORY})"
            )
        if data is None:
            told.append(
                f"no data: --data {benchmark}=FILE.npz or a folder with y_labels.csv, or "
                f"{benchmark}/y_labels.csv or {benchmark}.npz in the folder of --datasets "
                f"({_DATA_FROM})"
            )
        missing[benchmark] = f"{benchmark}: " + "; ".join(told)
    return found, missing


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    """One benchmark that is ready to run."""

    request: MlperfRequest
    benchmark: Benchmark
    model: Path
    prepared: Prepared
    settings: MlperfSettings
    samples: list[Sample]
    notes: list[str]

    @classmethod
    def of(cls, request: MlperfRequest, benchmark: Benchmark, model: Path, data: Path) -> "_One":
        """Convert the model; raises as preparing does, UsageError for one of other shapes."""
        ready = prepared_data(request.run, benchmark, model, data)
        settings = mlperf_settings(ready.prepared.graph, ready.pixels)
        if settings.benchmark is not benchmark:
            raise UsageError(f"{model}: has the shapes of {settings.benchmark}, not {benchmark}")
        return cls(
            request=request,
            benchmark=benchmark,
            model=model,
            prepared=ready.prepared,
            settings=settings,
            samples=ready.samples(settings),
            notes=list(ready.notes),
        )

    def image(self, board: Board, *, mlperf: bool) -> Image:
        """Return firmware with the model, that speaks one or the other protocol."""
        run = self.request.run
        return build_for(
            board,
            self.prepared.graph,
            header=run.header,
            compat=run.is_compat,
            library=run.library,
            mlperf=self.settings if mlperf else None,
        )

    @contextmanager
    def device(self, on_step: Callable[[str], None]) -> Iterator[tuple[Target, MlperfClient]]:
        """Yield what runs the firmware, started, and a client of it."""
        run = self.request.run
        on_step(f"{self.benchmark}: building the firmware")
        elf = self.image(run.board, mlperf=True).elf
        target: Target
        if run.port is not None:
            target = PortTarget(run.board, run.port)
        else:
            target = emulator_of(run.board, run.backend)
        try:
            on_step(f"{self.benchmark}: starting the target")
            transport = target.start(elf, Deadline.after(_START_S))
            client = MlperfClient(transport, why_dead=target.why_dead)
            if run.port is None:
                client.wait_for_start(_START_S)
            else:
                quiet = Deadline.after(_QUIET_S)
                while not quiet.expired:
                    transport.read(quiet)  # of a board that was reset by the port's opening
            told = client.model()
            if told != self.benchmark:
                raise TargetError(
                    f"the device at {run.port} is for {told}, not {self.benchmark}: flash what "
                    "nnom-hil build --protocol mlperf makes of that benchmark's model"
                )
            yield target, client
        finally:
            target.stop()

    def row(self, client: MlperfClient, on_step: Callable[[str], None]) -> MlperfRow:
        """Run what was asked for, and return what was found."""
        graph = self.prepared.graph
        row = MlperfRow(
            benchmark=self.benchmark,
            title=self.settings.facts.title,
            model=self.model.name,
            model_hash=graph.content_hash,
            macs=graph.macs,
            samples=len(self.samples),
        )
        if self.request.accuracy:
            on_step(f"{self.benchmark}: accuracy, {len(self.samples)} files")
            row = self._with_accuracy(row, client)
        notes = list(self.notes)
        if self.request.performance:
            on_step(f"{self.benchmark}: performance, {self.request.windows} windows")
            row = self._with_performance(row, client, notes)
        on_step(f"{self.benchmark}: memory and cycles")
        row = self._with_memory(row, notes)
        return self._with_cycles(row, notes).model_copy(update={"notes": notes})

    def _with_accuracy(self, row: MlperfRow, client: MlperfClient) -> MlperfRow:
        stimuli = np.concatenate([sample.stimuli for sample in self.samples])
        expected = expected_results(
            self.prepared.graph, self.settings, stimuli, compat=self.request.run.is_compat
        )
        answers = []
        for stimulus in stimuli:
            client.load(stimulus.tobytes())
            answers.append(client.infer())
        equal = sum(a.results == e for a, e in zip(answers, expected, strict=True))
        scores = _by_sample(self.samples, answers)
        labels = np.array([sample.label for sample in self.samples])
        is_known = bool((labels >= 0).all())
        chooses = scores.shape[1] > 1
        return row.model_copy(
            update={
                "stimuli": len(stimuli),
                "results_equal": equal,
                "top1": top1(scores, labels) if is_known and chooses else None,
                "auc": roc_auc(scores, labels) if is_known else None,
            }
        )

    def _with_performance(
        self, row: MlperfRow, client: MlperfClient, notes: list[str]
    ) -> MlperfRow:
        warm_up = self.settings.facts.warm_up
        stimuli = [sample.stimuli[0].tobytes() for sample in self.samples]
        client.load(stimuli[0])
        per_second, most = _first_measurement(client, warm_up)
        rates, wanted, runs = [per_second], 0, 0
        while wanted < self.request.window_s * max(rates):  # for other data it may be too short
            wanted = math.ceil(_MARGIN * self.request.window_s * max(rates))
            runs = min(wanted, most)
            rates = []
            for window in range(self.request.windows):
                client.load(stimuli[window % len(stimuli)])
                rates.append(client.infer(runs, warm_up).per_second)
        if runs < wanted:
            notes.append(
                f"windows of {runs} inferences instead of {wanted}: more would take longer here "
                "than the runner waits for an answer"
            )
        return row.model_copy(
            update={
                "runs": runs,
                "warm_up": warm_up,
                "per_second": rates,
                "median_per_second": statistics.median(rates),
            }
        )

    def _with_memory(self, row: MlperfRow, notes: list[str]) -> MlperfRow:
        """Flash and static RAM of this firmware; heap and stack as our own one uses them."""
        board = self.request.run.board
        sizes = self.image(board, mlperf=True).sizes
        fit = board_fit(
            board, lambda b: self.image(b, mlperf=False), self.prepared.graph.input.size, None
        )
        ram = None
        if fit.ram_heap is not None and fit.ram_stack is not None:
            ram = sizes.static_ram + fit.ram_heap + fit.ram_stack
        elif fit.why:
            notes.append(f"RAM: {fit.why}")
        return row.model_copy(update={"flash": sizes.flash, "ram": ram})

    def _with_cycles(self, row: MlperfRow, notes: list[str]) -> MlperfRow:
        board = self.request.run.board
        try:
            estimate = estimate_layers(board, self.prepared, lambda b: self.image(b, mlperf=False))
        except HilError as exc:
            notes.append(f"no cycles: {str(exc).splitlines()[0]}")
            return row
        return row.model_copy(
            update={
                "cycles": sum(estimate.cycles),
                "error_percent": estimate.error_percent,
                "core_hz": estimate.core_hz,
            }
        )


def _by_sample(samples: list[Sample], answers: list[Inference]) -> npt.NDArray[np.float64]:
    """Return each file's scores, the mean of its windows', (n, classes)."""
    rows, at = [], 0
    for sample in samples:
        count = len(sample.stimuli)
        rows.append(np.mean([answer.scores for answer in answers[at : at + count]], axis=0))
        at += count
    return np.array(rows, np.float64)


def _first_measurement(client: MlperfClient, warm_up: int) -> tuple[float, int]:
    """Return inferences a second by the device's clock, and the most that a window may have.

    An answer that takes the host too long ends the benchmark's session.
    """
    client.infer(1, 1)
    count = 1
    while True:
        begin = time.monotonic()
        took = client.infer(count, 0)
        host_s = time.monotonic() - begin
        if host_s >= _MEASURED_S or took.microseconds >= 1e6 * _MEASURED_S:
            break
        count *= 4
    if not took.microseconds:
        raise TargetError(f"the device's clock does not move in {count} inferences")
    return took.per_second, max(1, int(_MOST_HOST_S * count / host_s) - warm_up)


def _clock_of(target: Target, board: Board) -> tuple[str, str]:
    """Return the source of the device's time, and what it counts, in words."""
    if isinstance(target, PortTarget):
        return TimeSource.UNKNOWN, "the device's own clock"
    if not target.facts.emulated:
        return TimeSource.HOST, "this machine's clock"
    if isinstance(target, QemuTarget) and board.backend.qemu is not None:
        shift = board.backend.qemu.icount_shift
        return TimeSource.INSTRUCTIONS, f"instructions in QEMU, {2**shift} nanoseconds each"
    return TimeSource.VIRTUAL, "the emulator's own time, which is no board's"


def named_benchmarks(words: Sequence[str]) -> tuple[Benchmark, ...]:
    """Return the benchmarks of these names; raises UsageError for a name that is none."""
    for word in words:
        if word not in set(Benchmark):
            raise UsageError(
                f"benchmark {word!r} is unknown; there are: {', '.join(Benchmark)}"
                f"{did_you_mean(word, Benchmark)}"
            )
    return tuple(Benchmark(word) for word in words)


def named_files(flag: str, pairs: Sequence[str]) -> dict[Benchmark, Path]:
    """Return the files of BENCHMARK=FILE; raises UsageError for what is none, or is not there."""
    files = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals or not path:
            raise UsageError(f"{flag} {pair}: needs BENCHMARK=FILE, ic01=net.keras for example")
        (benchmark,) = named_benchmarks([name])
        if not Path(path).exists():
            raise UsageError(f"{flag} {pair}: there is no such file")
        files[benchmark] = Path(path)
    return files
