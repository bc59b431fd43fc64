"""Gathers what diagnosis/ judges: the float graph's answers, the reference's and a target's."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.build import Image, Kernels, Library, Optimise, constants_of
from nnom_hil.codegen.layouts import Api, DenseOrder
from nnom_hil.console import parse_compile_log
from nnom_hil.diagnosis.compat import compat_findings
from nnom_hil.diagnosis.contents import Contents
from nnom_hil.diagnosis.data import DataEvidence, data_findings
from nnom_hil.diagnosis.formats import Conversion, FormatEvidence, compare_formats, format_findings
from nnom_hil.diagnosis.model import model_findings, not_finite
from nnom_hil.diagnosis.target import (
    Alone,
    Difference,
    PrintedLayer,
    TargetEvidence,
    compare_layers,
    culprits,
    explained_by,
    target_findings,
    view_of,
)
from nnom_hil.errors import BuildError, HilError, ModelError, NotFiniteError, UsageError
from nnom_hil.explanations import ExplainedLayer, Explanation, Finding, Trial
from nnom_hil.files import read_regular, write_whole
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import FloatGraph
from nnom_hil.model.qgraph import Int8, QGraph, QInput, QNode
from nnom_hil.model.quantise import Calibration, calibrate, decibels
from nnom_hil.model.quantise.options import Method
from nnom_hil.model.reference import run_all_layers
from nnom_hil.records import Task
from nnom_hil.run.journal import read_journal
from nnom_hil.run.listening import Heard, Script, listen
from nnom_hil.run.plan import Observer
from nnom_hil.run.prepare import ConvertOptions, Prepared, prepare
from nnom_hil.run.reproduce import (
    Reproducer,
    alone,
    build_and_run,
    save_reproducer,
    shrink,
)
from nnom_hil.run.request import RunRequest, read_header
from nnom_hil.run.runner import build_for
from nnom_hil.run.source import source_of
from nnom_hil.run.task import Output, Truth, decide, head_of
from nnom_hil.run.verdict import layer_type
from nnom_hil.target.base import Target
from nnom_hil.target.select import make_target
from nnom_hil.version import version
from nnom_hil.zoo.data import DataSet

__all__ = ["ExplainRequest", "FloatSide", "explain", "float_side"]

_FORMAT_VECTORS: Final = 128
_STREAMED: Final = 500
_CHUNK: Final = 64
_INPUT_BYTES: Final = 16 << 10
_JOURNAL: Final = "journal.jsonl"


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """What to explain. run: how the target is made, as a run's request has it. image: a firmware
    that is built already, None to build one. journal: of a run whose answers are known. vectors:
    for how many of them all layers are fetched. reproducer: where to write one; target: whether to
    look at a target at all.
    """

    run: RunRequest
    image: Path | None = None
    journal: Path | None = None
    vectors: int = 8
    reproducer: Path | None = None
    target: bool = True


@dataclass(frozen=True, kw_only=True)
class FloatSide:
    """A model as it was trained, and its data. predict: outputs (n, outputs) for inputs."""

    graph: FloatGraph
    vectors: DataSet
    output: Output
    truth: Truth
    predict: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def float_side(model: Path, data: Path | None, limit: int | None = None) -> FloatSide:
    """Return a model's float graph and data; raises ModelError, DataError."""
    from nnom_hil.run.vectors import vectors_for

    read = source_of(model)
    graph = read.graph
    vectors = vectors_for(read, model, data)
    output = Output(shape=read.output_shape, head=head_of(graph))
    truth = decide(output, vectors.x, vectors.y, where=f"{data or model}: array {vectors.y_name!r}")
    if limit is not None:
        labels = None if truth.labels is None else truth.labels[:limit]
        truth = replace(truth, labels=labels)
        vectors = replace(vectors, x=vectors.x[:limit])
    return FloatSide(
        graph=graph, vectors=vectors, output=output, truth=truth, predict=_predictor(graph)
    )


def _predictor(
    graph: FloatGraph,
) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    last = graph.nodes[-1].name

    def predict(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        parts = [
            run_float(graph, x[i : i + _CHUNK])[last].reshape(len(x[i : i + _CHUNK]), -1)
            for i in range(0, len(x), _CHUNK)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)

    return predict


def explain(request: ExplainRequest, observer: Observer | None = None) -> Explanation:
    """Return what is wrong with a model on a target, or that nothing is.

    Raises UsageError, ModelError, DataError, BoardError as a run's first steps do; what goes wrong
    on the target is part of the answer.
    """
    return _Inquiry(request, observer or Observer()).answer()


@dataclass
class _Inquiry:
    """One explanation in the making."""

    request: ExplainRequest
    observer: Observer
    checked: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def answer(self) -> Explanation:
        run = self.request.run
        self.observer.step("reading the model")
        try:
            side = float_side(run.model_file, run.data, run.limit)
        except NotFiniteError as exc:
            self.findings.append(not_finite(exc.layer, exc.field, exc.values))
            self.checked.append(
                "weights: whether all are numbers; nothing else, since they are not"
            )
            return self._record()
        self.findings += model_findings(side.graph)
        self.checked.append(
            f"weights of {len(side.graph.nodes)} layers: whether all are numbers, softmax once"
        )
        self._data(side)
        prepared = prepare(
            run.model_file, run.data, options=run.conversion, on_step=self.observer.step
        ).limited(run.limit)
        self.facts["model_hash"] = prepared.graph.content_hash
        layers = self._formats(side, prepared)
        if self.request.target:
            layers = self._target(prepared, layers)
        self.facts["layers"] = tuple(layers)
        return self._record()

    @property
    def _faults(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_fault]

    def _record(self) -> Explanation:
        order = {"certain": 0, "likely": 1, "possible": 2}
        found = sorted(self.findings, key=lambda f: (not f.is_fault, order[f.confidence]))
        return Explanation(
            tool_version=version(),
            model=self.request.run.model_file.stem,
            run=None if self.request.journal is None else self.request.journal.parent.name,
            checked=tuple(self.checked),
            findings=tuple(found),
            trials=tuple(self.trials),
            **self.facts,
        )

    # ---- data and formats

    def _data(self, side: FloatSide) -> None:
        self.observer.step("looking at the data")
        x, labels = side.vectors.x.astype(np.float32), side.truth.labels
        self.facts["vectors"] = len(x)
        right = _right_answers(side)
        apart = side.vectors.x_calibration
        evidence = DataEvidence(
            x=x,
            labels=_classes(side),
            predict=side.predict,
            right=right,
            calibration=None if apart is side.vectors.x else apart.astype(np.float32),
        )
        self.findings += data_findings(evidence)
        what = f"{len(x)} vectors: scaling, order of channels and bytes"
        if labels is None:
            what = f"{len(x)} vectors: their range only, since there are no labels"
        self.checked.append(f"{what}, order of labels" if _classes(side) is not None else what)
        if right is not None and len(x):
            self.facts["accuracy_float"] = float(right(side.predict(x)).mean())

    def _formats(self, side: FloatSide, prepared: Prepared) -> list[ExplainedLayer]:
        self.observer.step("comparing float with the reference")
        run = self.request.run
        data_is_wrong = bool(self._faults)
        evidence = _format_evidence(side, prepared, run.conversion)
        layers = compare_formats(evidence)
        found = format_findings(evidence, layers)
        if any(f.is_fault for f in found) and not data_is_wrong:
            evidence = replace(evidence, others=tuple(self._conversions(side, prepared)))
            found = format_findings(evidence, layers)
        if data_is_wrong:  # formats cannot fit data that the model was not made for
            found = [f.model_copy(update={"is_fault": False}) for f in found]
        if run.is_compat and not data_is_wrong:
            found += compat_findings(evidence)
        self.findings += found
        n = len(evidence.codes[prepared.graph.input.name])
        self.checked.append(
            f"formats of {len(layers)} layers on {n} vectors: signal to noise, saturation, dead "
            "channels, ties"
        )
        right = _right_answers(side)
        if right is not None:
            scale = 2.0**-prepared.graph.output.dec
            outputs = prepared.expected(len(prepared.x), compat=run.is_compat)
            self.facts["accuracy_reference"] = float(right(outputs * scale).mean())
        return layers

    def _conversions(self, side: FloatSide, prepared: Prepared) -> Iterator[Conversion]:
        """Yield other ways to convert, each measured on the vectors."""
        run, now = self.request.run, self.request.run.conversion
        usual = ConvertOptions()
        ways: list[tuple[str, ConvertOptions, bool]] = [
            ("--method mse", replace(now, method="mse"), False),
            ("--per-channel", replace(now, per_channel=True), False),
            ("inputs scaled to int8, without --raw-input", replace(now, raw_input=False), False),
            ("the default options", replace(usual, plain_pools=now.plain_pools,
                                            nnom_only=now.nnom_only), False),
            ("formats chosen by the vectors themselves, no x_calib", now, True),
        ]  # fmt: skip
        tried = {repr(now)}
        for what, options, by_vectors in ways:
            if repr(options) in tried and not by_vectors:
                continue
            if by_vectors and side.vectors.x_calibration is side.vectors.x:
                continue
            tried.add(repr(options))
            self.observer.step(f"trying {what}")
            try:
                yield self._conversion(side, what, options, by_vectors, prepared)
            except HilError as exc:
                self.trials.append(Trial(what=what, result=str(exc)))
        del run

    def _conversion(
        self, side: FloatSide, what: str, options: ConvertOptions, by_vectors: bool,
        prepared: Prepared,
    ) -> Conversion:  # fmt: skip
        calibration = side.vectors.x if by_vectors else side.vectors.x_calibration
        graph = calibrate(side.graph, calibration, options.quantise_options()).finish()
        x = side.vectors.x[: _FORMAT_VECTORS * 2]
        codes = run_all_layers(graph, graph.quantise(x).reshape(len(x), *graph.input.shape))
        last = codes[graph.output.name].reshape(len(x), -1)
        floats = side.predict(x.astype(np.float32))
        agreement = None
        if prepared.chooses:
            agreement = float(np.mean(last.argmax(axis=1) == floats.argmax(axis=1)))
        ratio = decibels(floats, last * 2.0**-graph.output.dec)
        found = Conversion(
            what=what,
            agreement=agreement,
            sqnr_db=ratio,
            command=() if by_vectors else _convert_command(self.request.run, options),
        )
        shown = "" if agreement is None else f"{agreement:.2%} of float's answers, "
        self.trials.append(Trial(what=what, result=f"{shown}output SQNR {ratio or 0.0:.1f} dB"))
        return found

    # ---- the target

    def _target(self, prepared: Prepared, layers: list[ExplainedLayer]) -> list[ExplainedLayer]:
        run, graph = self.request.run, prepared.graph
        self.facts["board"] = run.board.name
        try:
            image, contents = self._image(prepared)
        except BuildError as exc:
            heard, contents = Heard(trouble=str(exc)), None
        else:
            self.observer.step("listening to the target")
            known = self._journaled(prepared)
            script = Script(
                graph=graph,
                x=prepared.x,
                layout=run.header.layout,
                answers=[] if known else range(min(len(prepared.x), run.limit or _STREAMED)),
                with_tensors=self.request.vectors,
                pick=lambda outputs, most: _pick(prepared, known or outputs, most, run.is_compat),
            )
            heard = listen(_make_target(run), image, script)
            heard.outputs = known or heard.outputs
        evidence = self._evidence(prepared, heard, contents)
        guilty = _culprit(evidence)
        if guilty is not None:
            evidence = self._alone(evidence, guilty)
        found = target_findings(evidence)
        self.findings += found
        self._say_target(prepared, heard, evidence)
        return _with_differences(layers, compare_layers(evidence) if heard.tensors else {})

    def _image(self, prepared: Prepared) -> tuple[Path, Contents | None]:
        """Return the firmware, and what it holds beside what it should."""
        run = self.request.run
        self.observer.step("building the firmware")
        ours = self._built(prepared, None)
        held = self.request.image
        if held is None:
            if run.port is not None and run.probe is None:
                return ours.elf, None  # what runs behind the port is not what was built
            weights = None if run.weights is None else read_header(run.weights)
            held = ours.elf if weights is None else self._built(prepared, weights).elf
        right = constants_of(ours.elf)
        data = _read(held)
        # one with our id is laid out as ours; one that is cut off may have lost it
        same = ours.id.encode() in data or _read(ours.elf).startswith(data)
        there = constants_of(held, right.places if same else None)
        return held, Contents(
            right=right.bytes_of,
            held=there.bytes_of,
            file_bytes=there.size,
            needed_bytes=there.needed,
        )

    def _built(self, prepared: Prepared, weights: str | None) -> Image:
        run = self.request.run
        return build_for(
            run.board,
            prepared.graph,
            header=run.header,
            compat=run.is_compat,
            library=run.library,
            weights=weights,
        )

    def _journaled(self, prepared: Prepared) -> dict[int, bytes]:
        if self.request.journal is None or not self.request.journal.is_file():
            return {}
        answers = read_journal(self.request.journal).answers
        size, count = prepared.graph.output.size, len(prepared.x)
        return {
            vector: answer.output
            for vector, answer in sorted(answers.items())
            if vector < count and len(answer.output) == size
        }

    def _evidence(
        self, prepared: Prepared, heard: Heard, contents: Contents | None
    ) -> TargetEvidence:
        run, graph = self.request.run, prepared.graph
        log = parse_compile_log(heard.console)
        printed = () if log is None else tuple(
            PrintedLayer(type=x.name, shape=x.shape) for x in log.layers
        )  # fmt: skip
        return TargetEvidence(
            graph=graph,
            x=prepared.x[heard.picked],
            tensors=heard.tensors,
            sizes=heard.sizes,
            compat=run.is_compat,
            interleaved=run.header.dense_order is DenseOrder.INTERLEAVED,
            printed=printed,
            right=tuple(PrintedLayer(type=layer_type(n), shape=n.shape) for n in graph.nodes),
            model_hash=None if heard.hello is None else heard.hello.model_hash,
            contents=contents,
            answers=_different(prepared, heard.outputs, compat=run.is_compat),
            trouble=heard.trouble,
        )

    def _say_target(self, prepared: Prepared, heard: Heard, found: TargetEvidence) -> None:
        side_right = _right_of(prepared)
        outputs = heard.outputs
        self.facts["vectors"] = len(outputs) or len(prepared.x)
        self.facts["with_tensors"] = len(heard.picked)
        if outputs and side_right is not None:
            rows = sorted(outputs)
            given = _rows(prepared, outputs, rows) * 2.0**-prepared.graph.output.dec
            self.facts["accuracy_target"] = float(side_right(given, rows).mean())
        shown = heard.picked[0] if heard.picked else 0
        if prepared.x.shape[1] <= _INPUT_BYTES:
            self.facts["input"] = base64.b64encode(prepared.x[shown].tobytes()).decode()
            self.facts["input_shape"] = prepared.graph.input.shape
        different, total = found.answers
        self.checked.append(f"outputs of {total} vectors: {different or 'none'} differ")
        if heard.picked:
            self.checked.append(
                f"bytes of {len(heard.tensors)} layers for {len(heard.picked)} vectors"
            )
        if heard.untold is not None:
            self.checked.append(f"not the layers: {heard.untold}")
        if found.contents is not None and found.contents.held:
            self.checked.append(
                f"weights, biases and shifts in the image: {len(found.contents.held)} constants"
            )

    # ---- one layer alone

    def _alone(self, found: TargetEvidence, node: QNode) -> TargetEvidence:
        """Find out whether a layer is wrong alone, write the reproducer, return what was seen."""
        run = self.request.run
        view = view_of(found, node)
        assert view is not None
        rows = np.flatnonzero((view.right != view.got).reshape(len(view.got), -1).any(axis=1))
        row = slice(int(rows[0]), int(rows[0]) + 1)
        held = next((s for s in explained_by(found, node) if s.node is not None), None)
        if held is None and found.contents is not None:
            held_node = _from_image(found, node)
        else:
            held_node = None if held is None else held.node
        try:
            single, x = alone(found.graph, node, [s[row] for s in view.sources])
            with_held = None
            if held_node is not None:
                with_held, _ = alone(found.graph, held_node, [s[row] for s in view.sources])
        except ModelError as exc:
            self.trials.append(Trial(what=f"{node.name} alone", result=str(exc)))
            return found
        self.observer.step(f"running {node.name} alone")
        elsewhere: dict[str, bool] = {}
        differs = False
        try:
            right = view.right[row].reshape(-1)
            if with_held is None:
                got = self._run_single(single, x, run.library)[0]
                differs = not np.array_equal(got, right)
                if differs:
                    elsewhere = self._elsewhere(single, x, right)
            if differs or with_held is not None:
                self._reproducer(found, node, single, x, with_held)
        except HilError as exc:
            self.trials.append(Trial(what=f"{node.name} alone", result=str(exc).splitlines()[0]))
            return found
        if with_held is not None:
            return found
        self.trials.append(
            Trial(what=f"{node.name} alone", result="differs" if differs else "is right")
        )
        return replace(found, alone=Alone(layer=node.name, differs=differs, elsewhere=elsewhere))

    def _run_single(self, graph: QGraph, x: Int8, library: Library) -> Int8:
        run = self.request.run
        return build_and_run(
            graph,
            x,
            board=run.board,
            library=library,
            header=run.header,
            compat=run.is_compat,
            target=lambda board: make_target(
                board, run.backend, None if run.probe is None else run.port, probe=run.probe,
                pack=run.pack, exact=False,
            ),
        )  # fmt: skip

    def _elsewhere(self, graph: QGraph, x: Int8, right: Int8) -> dict[str, bool]:
        """Return whether the layer differs on other kernels, too."""
        library = self.request.run.library
        if library.is_ours:
            others = {"kernels in C99": replace(library, kernels=Kernels.PLAIN)}
        else:
            others = {"the kernels of nnom-hil": library.ours}
        otherwise = Optimise.O2 if library.optimise is Optimise.OS else Optimise.OS
        others[f"the same kernels and {otherwise.flag}"] = replace(library, optimise=otherwise)
        result = {}
        for what, other in others.items():
            try:
                got = self._run_single(graph, x, other)[0]
            except HilError as exc:
                self.trials.append(Trial(what=what, result=str(exc).splitlines()[0]))
                continue
            result[what] = not np.array_equal(got, right)
            self.trials.append(Trial(what=what, result="differs" if result[what] else "is right"))
        return result

    def _reproducer(
        self,
        found: TargetEvidence,
        node: QNode,
        graph: QGraph,
        x: Int8,
        held: QGraph | None,
    ) -> None:
        run, place = self.request.run, self.request.reproducer
        if place is None:
            return
        self.observer.step("cutting the fault down")
        small, small_x, small_held, got = shrink(
            graph, x, held, lambda g, v: self._run_single(g, v, run.library), run.is_compat
        )
        expected = run_all_layers(small, small_x, compat=run.is_compat)[small.output.name]
        case = Reproducer(
            graph=small,
            held=small_held,
            x=small_x,
            expected=expected.reshape(-1),
            got=got,
            board=run.board.name,
            library=run.library,
            header=run.header,
            compat=run.is_compat,
            model=run.model_file.stem,
            layer=node.name,
            says=next((f.says for f in target_findings(found) if f.layer == node.name), ""),
        )
        write_whole(place, save_reproducer(case))
        self.facts["reproducer"] = str(place)


def _from_image(found: TargetEvidence, node: QNode) -> QNode | None:
    """Return the layer with the image's weights, where they are others and give the bytes."""
    from nnom_hil.diagnosis.contents import held_layers

    assert found.contents is not None
    held = held_layers(found.graph, found.contents, interleaved=found.interleaved).get(node.name)
    view = view_of(found, node)
    if held is None or held.is_right or held.node is None or view is None:
        return None
    return held.node if np.array_equal(view.run(held.node), view.got) else None


def _culprit(found: TargetEvidence) -> QNode | None:
    """Return the layer to look at alone: the first that is at fault, where the whole is right."""
    if found.trouble is not None or not found.tensors:
        return None
    if found.model_hash != found.graph.content_hash or list(found.printed) != list(found.right):
        return None
    guilty = culprits(found)
    if not guilty or isinstance(guilty[0].op, QInput):
        return None
    return guilty[0]


def _make_target(run: RunRequest) -> Target:
    return make_target(
        run.board, run.backend, run.port, probe=run.probe, pack=run.pack, exact=False
    )


def _read(elf: Path) -> bytes:
    try:
        return read_regular(elf, 1 << 30)
    except OSError as exc:
        raise UsageError(f"{elf}: cannot read it: {exc.strerror}") from exc


def _format_evidence(
    side: FloatSide, prepared: Prepared, options: ConvertOptions
) -> FormatEvidence:
    found = calibrate(side.graph, side.vectors.x_calibration, options.quantise_options())
    x = side.vectors.x[_spread(len(side.vectors.x), _FORMAT_VECTORS)].astype(np.float32)
    graph = prepared.graph
    codes = run_all_layers(graph, graph.quantise(x).reshape(len(x), *graph.input.shape))
    exact = _floats(found, x)
    floats = {
        node.name: exact[name]
        for node in graph.nodes
        if (name := node.tail_name or node.name) in exact
    }
    return FormatEvidence(graph=graph, floats=floats, codes=codes, chooses=prepared.chooses)


def _floats(found: Calibration, x: npt.NDArray[np.float32]) -> Mapping[str, Any]:
    return run_float(found.graph, x)


def _spread(count: int, most: int) -> npt.NDArray[np.intp]:
    """Return numbers of vectors from everywhere: data is often sorted by class."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def _right_answers(side: FloatSide) -> Callable[[Any], npt.NDArray[np.bool_]] | None:
    judge = _judge(side.truth, side.output)
    return None if judge is None else lambda outputs: judge(outputs, range(len(outputs)))


def _right_of(prepared: Prepared) -> Callable[[Any, Any], npt.NDArray[np.bool_]] | None:
    return _judge(prepared.truth, prepared.output)


def _judge(truth: Truth, output: Output) -> Callable[[Any, Any], npt.NDArray[np.bool_]] | None:
    """Return what tells which answers (n, outputs) to some vectors are right; None without any."""
    labels = truth.labels
    if labels is None or not truth.task.has_accuracy:
        return None
    threshold = output.head.threshold

    def right(outputs: Any, rows: Any) -> npt.NDArray[np.bool_]:
        wanted = labels[list(rows)]
        if truth.task is Task.CLASSIFICATION:
            said = outputs.reshape(len(outputs), -1, output.classes).argmax(axis=2)
            return np.asarray((said == wanted.reshape(len(outputs), -1)).all(axis=1))
        yes = outputs.reshape(len(outputs), -1) >= threshold
        return np.asarray((yes == (wanted.reshape(len(outputs), -1) > 0)).all(axis=1))

    return right


def _classes(side: FloatSide) -> npt.NDArray[np.int64] | None:
    """Return each vector's class, where there is one of several."""
    if side.truth.task is not Task.CLASSIFICATION or side.output.positions:
        return None
    assert side.truth.labels is not None
    return side.truth.labels.reshape(-1)


def _rows(prepared: Prepared, outputs: dict[int, bytes], rows: list[int]) -> Int8:
    data = b"".join(outputs[i] for i in rows)
    return np.frombuffer(data, np.int8).reshape(len(rows), -1)


def _different(prepared: Prepared, outputs: dict[int, bytes], *, compat: bool) -> tuple[int, int]:
    rows = sorted(i for i, data in outputs.items() if len(data) == prepared.graph.output.size)
    if not rows:
        return len(outputs), len(outputs)
    expected = prepared.expected(rows[-1] + 1, compat=compat)[rows]
    wrong = (_rows(prepared, outputs, rows) != expected).any(axis=1)
    return int(wrong.sum()) + len(outputs) - len(rows), len(outputs)


def _pick(prepared: Prepared, outputs: dict[int, bytes], most: int, compat: bool) -> list[int]:
    """Return vectors to look into: half of them wrong ones where there are any, then others."""
    rows = sorted(i for i, data in outputs.items() if len(data) == prepared.graph.output.size)
    wrong: list[int] = []
    if rows:
        expected = prepared.expected(rows[-1] + 1, compat=compat)[rows]
        differs = (_rows(prepared, outputs, rows) != expected).any(axis=1)
        wrong = [rows[i] for i in np.flatnonzero(differs)]
    chosen = wrong[: max(1, most // 2)]
    for i in _spread(len(prepared.x), most).tolist():
        if len(chosen) < most and i not in chosen:
            chosen.append(i)
    return chosen


def _with_differences(
    layers: list[ExplainedLayer], differences: Mapping[str, Difference]
) -> list[ExplainedLayer]:
    return [
        layer
        if (d := differences.get(layer.name)) is None
        else layer.model_copy(
            update={"different": d.different, "own": d.own, "compared": d.compared}
        )
        for layer in layers
    ]


def _convert_command(run: RunRequest, options: ConvertOptions) -> tuple[str, ...]:
    """Return what runs the model so converted."""
    words = ["nnom-hil", "run", "--board", run.board.name]
    words += ["--model", str(run.model)] if run.model is not None else []
    words += ["--data", str(run.data)] if run.data is not None else []
    words += ["--method", options.method] if Method(options.method) is not Method.MSE else []
    layer_api = run.header.api is Api.LAYER
    words += ["--no-per-channel"] if not options.per_channel and not layer_api else []
    words += ["--raw-input"] if options.raw_input else []
    words += ["--portable"] if options.portable else []
    return tuple(words)
