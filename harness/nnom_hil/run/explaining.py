"""What a user wants explained: a run's folder, a model, or a console that was monitored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.diagnosis.data import variants
from nnom_hil.diagnosis.printed import PrintedEvidence, Spoilt, printed_findings
from nnom_hil.diagnosis.target import PrintedLayer
from nnom_hil.errors import UsageError
from nnom_hil.explanations import Cause, Explanation
from nnom_hil.model.reference import run_reference
from nnom_hil.record_files import load_record
from nnom_hil.records import RunRecord, Task
from nnom_hil.run.explain import ExplainRequest, FloatSide, explain, float_side
from nnom_hil.run.options import request_of
from nnom_hil.run.plan import Observer
from nnom_hil.run.prepare import Prepared, prepare
from nnom_hil.run.request import REQUEST_FILE, RunRequest, load_request
from nnom_hil.run.store import find_run
from nnom_hil.run.verdict import layer_type, predictions
from nnom_hil.version import version

__all__ = ["Wishes", "explain_what"]

_JOURNAL: Final = "journal.jsonl"
_OF_A_TARGET: Final = ("board", "backend", "port", "probe", "pack", "limit", "baud")
"""Options that may be others than the run had."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What was asked for. what: a run's folder, a model's file or bundled name; None is --model.

    given: checked options of a run. The rest is ExplainRequest's.
    """

    what: Path | None
    given: Mapping[str, Any]
    image: Path | None = None
    vectors: int = 8
    target: bool = True
    reproducer: Path | None = None


def explain_what(wishes: Wishes, observer: Observer | None = None) -> Explanation:
    """Return the explanation of a run or a model; raises as explain() does."""
    observer = observer or Observer()
    folder = None if wishes.what is None else find_run(wishes.what)
    if folder is not None and _is_run(folder):
        if not (folder / REQUEST_FILE).is_file():
            return _explain_console(folder, wishes, observer)
        request, journal = _of_run(folder, wishes.given), folder / _JOURNAL
    else:
        model = {} if wishes.what is None else {"model": wishes.what}
        if model and "model" in wishes.given:
            raise UsageError(f"{wishes.what} and --model: name one model")
        request, journal = request_of({**wishes.given, **model}), None
    if wishes.image is not None and not wishes.image.is_file():
        raise UsageError(f"--image {wishes.image}: there is no such file; build writes one")
    return explain(
        ExplainRequest(
            run=request,
            image=wishes.image,
            journal=journal,
            vectors=wishes.vectors,
            reproducer=wishes.reproducer,
            target=wishes.target,
        ),
        observer,
    )


def _is_run(path: Path) -> bool:
    return path.is_dir() and any(
        (path / name).is_file() for name in (REQUEST_FILE, "run.json", _JOURNAL)
    )


def _of_run(folder: Path, given: Mapping[str, Any]) -> RunRequest:
    """Return a run's own request; where it runs now may be another place."""
    request = load_request(folder)
    for name in given:
        if name not in (*_OF_A_TARGET, "boards", "renode"):
            flag = name.replace("_", "-")
            raise UsageError(f"{folder} --{flag}: a run has its own; name its model to try another")
    wanted = request_of(given)
    other: dict[str, Any] = {
        name: getattr(wanted, name) for name in _OF_A_TARGET if given.get(name) is not None
    }
    return replace(request, **other) if other else request


# ---- firmware of others


def _explain_console(folder: Path, wishes: Wishes, observer: Observer) -> Explanation:
    """Return what a monitored console says, held against a model and its vectors if given."""
    record = load_record(folder)
    confusion = None if record.confusion is None else np.array(record.confusion, dtype=np.int64)
    checked = ["what the firmware printed: there are no tensors without our agent"]
    evidence = PrintedEvidence(
        layers=_printed(record),
        confusion=confusion,
        accuracy=None if record.accuracy is None else record.accuracy.quantised,
    )
    facts: dict[str, Any] = {}
    if "model" in wishes.given:
        request = request_of(wishes.given)
        observer.step("reading the model")
        side = float_side(request.model_file, request.data, request.limit)
        prepared = prepare(request.model_file, request.data, options=request.conversion)
        evidence = _beside_model(evidence, side, prepared.limited(request.limit), request)
        facts["model_hash"] = prepared.graph.content_hash
        checked.append(f"{len(evidence.right)} layers of model {request.model_file.stem}")
        checked.append(f"{len(evidence.spoilt)} ways of preparing {len(side.vectors.x)} vectors")
    else:
        checked.append("no model: name it with --model and --data to compare layers and answers")
    if confusion is not None:
        checked.append("confusion matrix: constant answers, order of labels")
    return Explanation(
        tool_version=version(),
        model=record.model,
        board=record.board,
        run=record.id,
        vectors=record.vectors_planned,
        accuracy_target=evidence.accuracy,
        checked=tuple(checked),
        findings=tuple(printed_findings(evidence)),
        **facts,
    )


def _printed(record: RunRecord) -> Sequence[PrintedLayer]:
    known = [layer for layer in record.layers if layer.shape]
    return tuple(PrintedLayer(type=layer.type, shape=layer.shape) for layer in known)


def _beside_model(
    found: PrintedEvidence, side: FloatSide, prepared: Prepared, request: RunRequest
) -> PrintedEvidence:
    graph, truth = prepared.graph, side.truth
    right = tuple(PrintedLayer(type=layer_type(n), shape=n.shape) for n in graph.nodes)
    if (
        found.confusion is None
        or truth.task is not Task.CLASSIFICATION
        or truth.labels is None
        or len(found.confusion) != graph.output.size
    ):
        return replace(found, right=right)
    labels = truth.labels.reshape(-1)
    x = side.vectors.x.astype(np.float32)

    def answered(v: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        codes = graph.quantise(v).reshape(len(v), *graph.input.shape)
        outputs = run_reference(graph, codes, compat=request.is_compat)
        return predictions(outputs, labels).confusion

    ways = [
        Spoilt(
            cause=v.cause,
            was=v.was,
            undo=v.undo,
            confusion=lambda v=v: answered(v.spoiling(x)),  # type: ignore[misc]
        )
        for v in variants(x)
    ]
    twice = Spoilt(
        cause=Cause.INPUT_SCALE,
        was="its int8 input is the model's times a power of two, without nnom_quantise_input()",
        undo="nnom_quantise_input(x, nnom_input_data)",
        confusion=lambda: _raw(found, side, prepared, labels, request),
    )
    return replace(found, right=right, reference=answered(x), spoilt=(twice, *ways))


def _raw(
    found: PrintedEvidence, side: FloatSide, prepared: Prepared, labels: Any, request: RunRequest
) -> npt.NDArray[np.int64]:
    """Return the confusion matrix of inputs that were put in as NNoM's own examples do."""
    graph = prepared.graph
    x = side.vectors.x.astype(np.float64) * 2.0**graph.input.dec
    codes = np.clip(np.trunc(x), -128, 127).astype(np.int8)
    outputs = run_reference(
        graph, codes.reshape(len(x), *graph.input.shape), compat=request.is_compat
    )
    return predictions(outputs, labels).confusion
