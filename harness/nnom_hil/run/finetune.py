"""Fine-tuning a model for the formats of its conversion, judged on vectors that it never learns."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import DataError, HilEnvironmentError, ModelError, UsageError
from nnom_hil.extras import need
from nnom_hil.files import check_writable, write_whole
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import Flatten, FloatGraph, Reshape, Softmax
from nnom_hil.model.grid import rescaled_layers, with_weights_of
from nnom_hil.model.kept_formats import MEMBER, KeptFormats, formats_member, read_formats
from nnom_hil.model.keras_export import keras_members, packed, renamed
from nnom_hil.model.qgraph import QGraph
from nnom_hil.model.quantise import calibrate, decibels
from nnom_hil.model.quantise.statistics import Change
from nnom_hil.model.read import read_model
from nnom_hil.model.reference import run_reference
from nnom_hil.model.run_order import in_run_order
from nnom_hil.model.simplify import simplify
from nnom_hil.records import FineTuned, FineTuneRecord, TunedEpoch, TunedScore
from nnom_hil.run.judge import Answers, judge
from nnom_hil.run.plan import FineTuneObserver
from nnom_hil.run.prepare import ConvertOptions, find_model
from nnom_hil.run.source import loading, source_of
from nnom_hil.run.task import Output, Truth, decide, head_of
from nnom_hil.run.vectors import vectors_for
from nnom_hil.temporary import private_folder
from nnom_hil.version import version

if TYPE_CHECKING:
    from nnom_hil.train.distil import Goal
    from nnom_hil.zoo.data import DataSet

__all__ = ["FineTuneRequest", "fine_tune"]

FloatArray = npt.NDArray[np.float32]
_FEWEST_TRAINED: Final = 32
_FEWEST_HELD: Final = 16
_SPLIT_SEED: Final = 0  # of every run: seeds of training are compared on the same vectors
_CHUNK: Final = 64
_WORTH_DB: Final = 0.5  # with the same answers; less is chance
_SAMPLE: Final = 128  # vectors that tell what a layer's inputs are on average


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneRequest:
    """What a user asks for; model None is the bundled digits, data None a bundled model's own.

    held_out: share of the vectors that decides and is not trained with; held_data: a file with
    such vectors instead. seeds: how often to train, each time in another order. write_start: write
    the model that was begun with where nothing is better.
    """

    output: Path
    model: Path | None = None
    data: Path | None = None
    convert: ConvertOptions = field(default_factory=ConvertOptions)
    seeds: int = 3
    epochs: int = 20
    learning_rate: float = 3e-5
    batch: int = 16
    held_out: float = 0.25
    held_data: Path | None = None
    write_start: bool = False


@dataclass(frozen=True, kw_only=True)
class _Vectors:
    """Inputs, what the float network gives for them, and what they are judged by."""

    x: FloatArray
    truth: Truth
    floats: FloatArray
    goal: FloatArray


@dataclass(frozen=True, kw_only=True)
class _Start:
    """The conversion that is begun with. floats: its float graph, simplified; changes: what it
    makes of each float node's values. goal: the float node that is trained for, the model's output
    or the logits behind it.
    """

    floats: FloatGraph
    graph: QGraph
    changes: dict[str, Change]
    output: Output
    goal: str
    is_logits: bool


@dataclass(frozen=True, kw_only=True)
class _Sets:
    """train: formats are chosen by these too. held: they decide. test: looked at before and after
    only; None where all vectors were needed.
    """

    train: _Vectors
    held: _Vectors
    test: _Vectors | None


def fine_tune(request: FineTuneRequest, observer: FineTuneObserver) -> FineTuneRecord:
    """Train the weights of a conversion toward its float model, and write the best of them.

    What is interrupted keeps the best so far. Nothing is written where no epoch is better than the
    start on the held-out vectors, unless asked for. Raises UsageError, ModelError, DataError or
    StoreError.
    """
    _check_output(request)
    model = find_model(request.model)
    observer.step("loading TensorFlow")
    _need_tensorflow()
    observer.step(loading(model))
    source = source_of(model)
    if isinstance(read_formats(model, source.graph), KeptFormats):
        raise ModelError(
            f"{model}: it was fine-tuned already, and its float weights are those of the integers; "
            "name the model that it was made from"
        )
    vectors = vectors_for(source, model, request.data)
    observer.step("quantising")
    options = request.convert
    floats = renamed(simplify(source.graph, raw_input=options.raw_input))
    output = Output(shape=source.output_shape, head=head_of(source.graph))
    parts = _parted(request, vectors, model, source)
    found = calibrate(floats, parts[0].x, options.quantise_options())
    if not rescaled_layers(floats, {}):
        raise ModelError(f"{model}: no layer has weights, so there is nothing to train")
    goal, is_logits = _goal_of(floats)
    start = _Start(
        floats=floats,
        graph=in_run_order(found.finish()),
        changes=found.data.changes,
        output=output,
        goal=goal,
        is_logits=is_logits,
    )
    observer.step("running the float model")
    train, held, *test = (_observed(start, part, request.data or model) for part in parts)
    sets = _Sets(train=train, held=held, test=test[0] if test else None)
    return _Training(request, start, sets, observer).run(model)


def _goal_of(graph: FloatGraph) -> tuple[str, bool]:
    """Return the node to train for, and whether a softmax of it is the model's output."""
    by_name = {node.name: node for node in graph.nodes}
    node = graph.nodes[-1]
    while isinstance(node.op, Reshape | Flatten):
        node = by_name[node.inputs[0]]
    if isinstance(node.op, Softmax):
        return node.inputs[0], True
    return graph.nodes[-1].name, False


def _check_output(request: FineTuneRequest) -> None:
    """Tell before hours of training what keeps the result from being written."""
    if request.output.suffix != ".keras":
        raise UsageError(f"--output {request.output}: a Keras file is written; end it in .keras")
    check_writable(request.output)


def _need_tensorflow() -> None:
    need("train", "fine-tuning")
    import nnom_hil.train.distil  # noqa: F401


# ---- vectors -------------------------------------------------------------------------------------


def _parted(
    request: FineTuneRequest, vectors: "DataSet", model: Path, source: Any
) -> list["_Part"]:
    """Return vectors to train with, to decide by and, where there are some left, to look at."""
    where = request.data or model
    pool = _Part(vectors.x_calibration, vectors.y_calibration, vectors.y_calibration_name)
    test = (
        None if vectors.x_calibration is vectors.x else _Part(vectors.x, vectors.y, vectors.y_name)
    )
    if request.held_data is not None:
        more = vectors_for(source, model, request.held_data)
        train, held = pool, _Part(more.x, more.y, more.y_name)
    else:
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(pool.x))
        count = round(request.held_out * len(order))
        held, train = pool.some(np.sort(order[:count])), pool.some(np.sort(order[count:]))
    for part, fewest, use in (
        (train, _FEWEST_TRAINED, "to train with"),
        (held, _FEWEST_HELD, "to decide by"),
    ):
        if len(part.x) < fewest:
            raise DataError(
                f"{request.held_data or where}: {len(part.x)} vectors {use} are too few; at least "
                f"{fewest} are needed, some hundred are better: give more as x_calib, or x"
            )
    return [train, held] if test is None else [train, held, test]


@dataclass(frozen=True)
class _Part:
    """Some vectors with their labels, and what the labels' array is called."""

    x: FloatArray
    y: Any
    y_name: str

    def some(self, rows: npt.NDArray[np.intp]) -> "_Part":
        """Return these rows."""
        return replace(self, x=self.x[rows], y=None if self.y is None else self.y[rows])


def _observed(start: _Start, part: _Part, where: Path) -> _Vectors:
    """Return the vectors with the float network's answers; raises DataError for wrong labels."""
    last = start.floats.nodes[-1].name
    answers: dict[str, list[FloatArray]] = {last: [], start.goal: []}
    for i in range(0, len(part.x), _CHUNK):
        values = run_float(start.floats, part.x[i : i + _CHUNK])
        for name, kept in answers.items():
            kept.append(values[name].reshape(len(values[name]), -1))
    joined = {name: np.concatenate(kept) for name, kept in answers.items()}
    truth = decide(start.output, part.x, part.y, where=f"{where}: array {part.y_name!r}")
    return _Vectors(x=part.x, truth=truth, floats=joined[last], goal=joined[start.goal])


# ---- training ------------------------------------------------------------------------------------


@dataclass
class _Best:
    """The best of some epochs. epoch 0 is the start."""

    score: TunedScore
    graph: QGraph
    epoch: int = 0


def _key(score: TunedScore) -> tuple[float, float]:
    """Return what is the larger the better: agreement with float, then the outputs' SQNR."""
    agreement = -1.0 if score.agreement is None else score.agreement
    return agreement, -math.inf if score.sqnr_db is None else score.sqnr_db


def _is_better(score: TunedScore, start: TunedScore) -> bool:
    """Whether a score is worth another model: more agreement, or as much and clearly less error."""
    (agreement, sqnr_db), (at_start, sqnr_db_at_start) = _key(score), _key(start)
    return agreement > at_start or (
        agreement == at_start and sqnr_db >= sqnr_db_at_start + _WORTH_DB
    )


class _Training:
    """Seeds, one after another, each from the same start."""

    def __init__(
        self, request: FineTuneRequest, start: _Start, sets: _Sets, observer: FineTuneObserver
    ) -> None:
        self._request, self._start, self._sets = request, start, sets
        self._observer = observer
        self._codes = {
            name: start.graph.quantise(part.x)
            for name, part in (("train", sets.train), ("held", sets.held), ("test", sets.test))
            if part is not None
        }
        self._first = _Best(self._score(start.graph, "held"), start.graph)
        self._notes: list[str] = []

    def run(self, model: Path) -> FineTuneRecord:
        """Train with every seed, write what is best, and tell of it."""
        seeds: list[FineTuned] = []
        best, interrupted = self._first, False
        try:
            for seed in range(self._request.seeds):
                own = _Best(self._first.score, self._first.graph)
                history: list[TunedEpoch] = []
                seeds.append(self._told(seed, own, history))
                for epoch in self._epochs(seed, own):
                    history.append(epoch)
                    seeds[-1] = self._told(seed, own, history)
                    best = max(best, own, key=lambda b: _key(b.score))
        except KeyboardInterrupt:
            interrupted = True
        written = best is not self._first or self._request.write_start
        if written:
            self._observer.step("writing")
            write_whole(self._request.output, self._archive(best.graph))
        return self._record(model, best, seeds, written=written, interrupted=interrupted)

    def _epochs(self, seed: int, own: _Best) -> Iterator[TunedEpoch]:
        """Train with one seed; keep in `own` what is best of it, and yield what each epoch gave."""
        from nnom_hil.train.distil import Recipe, losses
        from nnom_hil.train.simulate import Simulation

        request, codes = self._request, self._codes["train"]
        trained = rescaled_layers(self._start.floats, {})
        simulation = Simulation(self._start.graph, trained, codes[:_SAMPLE])
        recipe = Recipe(
            epochs=request.epochs,
            learning_rate=request.learning_rate,
            batch=request.batch,
            seed=seed,
        )
        for number, loss in enumerate(losses(simulation, codes, self._goal(), recipe), 1):
            if not math.isfinite(loss):
                self._notes.append(
                    f"seed {seed} ended in epoch {number}, where its loss was {loss}; try "
                    f"--learning-rate {request.learning_rate / 10:g}"
                )
                return
            graph = simulation.quantised()
            epoch = TunedEpoch(epoch=number, loss=loss, held=self._score(graph, "held"))
            if _is_better(epoch.held, self._first.score) and _key(epoch.held) > _key(own.score):
                own.score, own.graph, own.epoch = epoch.held, graph, number
            self._observer.epoch(seed, epoch, own.score)
            yield epoch

    def _goal(self) -> "Goal":
        """Return what the simulation is to give: the float network's logits, or its outputs."""
        from nnom_hil.train.distil import Goal

        start, values = self._start, self._sets.train.goal
        change = start.changes.get(start.goal, Change())
        layer = next(n for n in start.graph.nodes if start.goal in (n.tail_name, n.name))
        return Goal(
            layer=layer.name,
            values=values,
            scale=np.resize(np.asarray(change.scale, np.float32), values.shape[1]),
            offset=np.resize(np.asarray(change.offset, np.float32), values.shape[1]),
            is_logits=start.is_logits,
        )

    def _score(self, graph: QGraph, name: str) -> TunedScore:
        """Judge a quantised graph by the bit-exact reference."""
        vectors: _Vectors = getattr(self._sets, name)
        outputs, last = run_reference(graph, self._codes[name]), graph.output
        answers = Answers(int8=outputs, keras=vectors.floats, scale=2.0**-last.dec)
        facts = judge(self._start.output, vectors.truth, answers)
        accuracy = facts.get("accuracy")
        return TunedScore(
            agreement=facts.get("agreement"),
            sqnr_db=decibels(vectors.floats, answers.numbers),
            accuracy=None if accuracy is None else accuracy.quantised,
            float_accuracy=None if accuracy is None else accuracy.float_,
        )

    def _archive(self, graph: QGraph) -> bytes:
        """Return the .keras file; raises HilEnvironmentError where it converts to another graph."""
        start = self._start
        rescaled = rescaled_layers(start.floats, start.changes)
        members = keras_members(with_weights_of(start.floats, graph, rescaled))
        kept = KeptFormats(
            graph=graph,
            floats=start.floats,
            changes=start.changes,
            rescaled=rescaled,
            options=asdict(self._request.convert),
        )
        archive = packed({**members, MEMBER: formats_member(kept, members)})
        with private_folder(room=len(archive)) as folder:
            file = folder / self._request.output.name
            file.write_bytes(archive)
            again = read_formats(file, read_model(file).graph)
        if not isinstance(again, KeptFormats) or again.graph.content_hash != graph.content_hash:
            raise HilEnvironmentError(
                f"{self._request.output}: what was written does not convert to what was trained; "
                "nothing is kept: this is a fault of nnom-hil, please report it"
            )
        return archive

    def _told(self, seed: int, own: _Best, history: Sequence[TunedEpoch]) -> FineTuned:
        return FineTuned(seed=seed, best_epoch=own.epoch, best=own.score, epochs=tuple(history))

    def _record(
        self, model: Path, best: _Best, seeds: list[FineTuned], *, written: bool, interrupted: bool
    ) -> FineTuneRecord:
        request, test = self._request, self._sets.test
        return FineTuneRecord(
            tool_version=version(),
            model=str(model),
            model_hash=best.graph.content_hash,
            output=str(request.output) if written else None,
            options=request.convert.describe(),
            trained=len(self._sets.train.x),
            held=len(self._sets.held.x),
            tested=0 if test is None else len(test.x),
            epochs=request.epochs,
            batch=request.batch,
            learning_rate=request.learning_rate,
            start=self._first.score,
            seeds=tuple(seeds),
            best=best.score,
            test_start=None if test is None else self._score(self._first.graph, "test"),
            test_best=None if test is None else self._score(best.graph, "test"),
            improved=best is not self._first,
            interrupted=interrupted,
            notes=tuple(self._notes),
        )
