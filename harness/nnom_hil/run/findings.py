"""From what a run has found out to its record: comparisons and arithmetic, no I/O of its own."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from nnom_hil.boards import Board
from nnom_hil.build import Image
from nnom_hil.console import (
    parse_banner,
    parse_compile_log,
    parse_io_format,
    parse_model_stat,
    parse_prediction,
)
from nnom_hil.errors import HilError, StoreError
from nnom_hil.interrupt import how_interrupted
from nnom_hil.link.client import LinkStats
from nnom_hil.link.messages import LayerTimes, TargetStatus
from nnom_hil.model.lifetimes import held_bytes
from nnom_hil.model.qgraph import Int8
from nnom_hil.profiles import ProfileRecord
from nnom_hil.records import (
    CrossCheck,
    Difference,
    LayerRecord,
    LinkRecord,
    MemoryRecord,
    RunError,
    RunRecord,
    Task,
    Verdict,
)
from nnom_hil.run.judge import Answers, judge
from nnom_hil.run.kernels import check_kernels
from nnom_hil.run.notes import notes_on
from nnom_hil.run.plan import Plan
from nnom_hil.run.prepare import Prepared
from nnom_hil.run.printed import layers_as_printed, memory_as_printed
from nnom_hil.run.request import RunRequest
from nnom_hil.run.task import Truth
from nnom_hil.run.timing import Estimate, layer_times, time_facts
from nnom_hil.run.verdict import (
    activation_name,
    check_compile_log,
    check_io_format,
    check_io_shapes,
    check_model_stat,
    check_prediction,
    first_difference,
    layer_type,
    predictions,
)
from nnom_hil.run.worst import worst_vectors
from nnom_hil.times import NO_CLOCK, Clock, TimeSource
from nnom_hil.version import version

__all__ = ["Findings", "Share", "cross_check", "interrupted_record", "make_record"]


@dataclass(slots=True)
class Share:
    """What one target did of the vectors: those of `indices`, and what it said of them.

    counted: it kept NNoM's own counts. ticks: of its clock that the model ran. summary: its
    prediction_summary(), whole.
    """

    indices: Sequence[int]
    stats: LinkStats
    counted: bool = False
    ticks: int = 0
    status: TargetStatus | None = None
    summary: str = ""


@dataclass(slots=True)
class Findings:
    """What a run has found out so far; becomes the record, however the run ends.

    estimate: by the cycle model, where an emulator counts no cycles; the record tells it instead.
    without_estimate: why there is none, though it was wanted.
    """

    prepared: Prepared | None = None
    image: Image | None = None
    outputs: dict[int, bytes] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    times: list[LayerTimes] = field(default_factory=list)
    clock: Clock = NO_CLOCK
    estimate: Estimate | None = None
    without_estimate: str = ""
    known_fault: str = ""  # of the target's, told where outputs differ
    profile: ProfileRecord | None = None
    encoding: str = "raw"
    resumed: int = 0  # vectors that an earlier attempt had answered
    tables: str = ""  # the console as it was before vectors came
    shares: list[Share] = field(default_factory=list)
    seconds: float = 0.0
    tools: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    vectors_hash: str | None = None
    kernels: dict[str, str] = field(default_factory=dict)  # form of each operation
    checks: list[CrossCheck] = field(default_factory=list)
    of_layers: CrossCheck | None = None  # their outputs against the reference's
    heard: list[str] = field(default_factory=list)  # what the targets' own logs warn of
    unkept: list[StoreError] = field(default_factory=list)  # of the reference's outputs

    @property
    def all_checks(self) -> tuple[CrossCheck, ...]:
        """What was compared, the layers first: what is wrong there is wrong in what follows."""
        return (*([self.of_layers] if self.of_layers else []), *self.checks)

    @property
    def status(self) -> TargetStatus | None:
        """The targets' memory use, the largest of each, and link counters, added up."""
        all_ = [share.status for share in self.shares]
        known = [status for status in all_ if status is not None]
        if not known or len(known) < len(all_):
            return None
        return TargetStatus(
            heap_used=max(s.heap_used for s in known),
            stack_used=max(s.stack_used for s in known),
            nnom_memory=max(s.nnom_memory for s in known),
            damaged_frames=sum(s.damaged_frames for s in known),
            rx_overruns=sum(s.rx_overruns for s in known),
            baud=min(s.baud for s in known),
        )


def cross_check(plan: Plan, found: Findings, consoles: Sequence[str]) -> None:
    """Compare what the targets printed with what they returned; sets found.checks.

    consoles: one text a target, with its prediction_summary().
    """
    prepared, text = found.prepared, found.tables
    assert prepared is not None
    found.checks = []
    graph = prepared.graph
    found.checks += check_compile_log(parse_compile_log(text), graph)
    found.checks += check_kernels(found.kernels, plan.board.core.cpu, plan.library)
    ticks = found.times[-1].ticks
    found.checks += check_model_stat(parse_model_stat(text), graph, ticks, found.clock.hz)
    formats = parse_io_format(text)
    if plan.header.tells_formats:
        found.checks.append(check_io_format(formats, graph, compat=plan.compat))
    else:
        found.checks.append(check_io_shapes(formats, graph))
    # A reset takes the target's counts with it, so they cover the last part of the run only.
    counted = [share.counted and share.stats.resets == 0 for share in found.shares]
    if counted and all(counted):
        found.checks += _check_predictions(prepared, found, consoles)


def _check_predictions(
    prepared: Prepared, found: Findings, consoles: Sequence[str]
) -> list[CrossCheck]:
    """Compare each target's own counts with its answers; one check of each kind for all."""
    merged: dict[str, CrossCheck] = {}
    for share, text in zip(found.shares, consoles, strict=True):
        if len(share.indices) == 0:
            continue  # more targets than vectors
        host = None
        if prepared.truth.task is Task.CLASSIFICATION:
            assert prepared.labels is not None
            outputs = _outputs(prepared, found.outputs, share.indices)
            host = predictions(outputs, prepared.labels[list(share.indices)])
        for check in check_prediction(parse_prediction(text), len(share.indices), host):
            if merged.setdefault(check.what, check).ok:
                merged[check.what] = check
    return list(merged.values())


def _outputs(prepared: Prepared, outputs: dict[int, bytes], indices: Iterable[int]) -> Int8:
    size = prepared.graph.output.size
    return np.frombuffer(b"".join(outputs[i] for i in indices), dtype=np.int8).reshape(-1, size)


def make_record(
    plan: Plan,
    found: Findings,
    *,
    run_id: str,
    started: datetime,
    console: str,
    trouble: BaseException | None,
) -> RunRecord:
    """Return the record of a run that ended, or was ended by trouble."""
    facts: dict[str, Any] = {
        "id": run_id,
        "started": started.isoformat(timespec="seconds"),
        "board": plan.board.name,
        "board_title": plan.board.title,
        # a process has no clock of its own that rates could be given by
        "core_hz": 0 if found.clock.source is TimeSource.HOST else plan.board.clock.core_hz,
        "model": plan.model_name,
        "task": plan.prepared.truth.task,
        "compat": plan.compat,
        "min_accuracy": plan.min_accuracy,
        "max_error": plan.max_error,
        "faults": str(plan.faults) if plan.faults is not None else None,
        "seed": plan.seed if plan.faults is not None else None,
        "resumed": found.resumed,
        **time_facts((), found.clock, found.estimate),
        "cross_checks": found.all_checks,
        "kernels": found.kernels,
        "tools": found.tools,
        "command": plan.command,
        "commit": plan.commit,
        "conversion": plan.conversion,
        "libraries": found.libraries,
        "vectors_hash": found.vectors_hash,
    }
    reasons: list[str] = []
    if found.prepared is not None:
        facts |= _model_facts(found.prepared, found, console, compat=plan.compat)
        facts |= _result_facts(plan, found.prepared, found, reasons)
    if found.prepared is not None and found.image is not None:
        facts |= _memory_facts(plan.board, found.image, found.tables or console, found)
        if trouble is None and found.shares and (missing := _unanswered(facts)):
            reasons.append(f"{missing} of {facts['vectors_planned']} vectors were not answered")
    reasons += _failed_timing(found)
    reasons += [f"{c.what}: {c.detail}" for c in found.all_checks if not c.ok]
    verdict = Verdict.FAIL if reasons else Verdict.PASS
    if reasons and trouble is None:  # else it is in the message
        reasons += found.heard
    error = None
    if trouble is not None:
        verdict = Verdict.ERROR
        error = _error(trouble)
        reasons.insert(0, error.message)
    return RunRecord(**facts, verdict=verdict, reasons=tuple(reasons), error=error)


def interrupted_record(
    request: RunRequest, run_id: str, started: datetime, trouble: KeyboardInterrupt
) -> RunRecord:
    """Return the record of a run that was interrupted before its model was converted."""
    error = _error(trouble)
    return RunRecord(
        id=run_id,
        started=started.isoformat(timespec="seconds"),
        verdict=Verdict.ERROR,
        reasons=(error.message,),
        error=error,
        board=request.board.name,
        board_title=request.board.title,
        core_hz=0,
        model=request.model_file.stem,
        compat=request.is_compat,
        min_accuracy=request.min_accuracy,
        max_error=request.max_error,
        time_source=TimeSource.UNKNOWN,
        tools={"nnom-hil": version()},
    )


def _error(trouble: BaseException) -> RunError:
    if isinstance(trouble, KeyboardInterrupt):
        return RunError(kind="Interrupted", message=how_interrupted(trouble))
    if isinstance(trouble, HilError):
        return RunError(kind=type(trouble).__name__, message=str(trouble))
    return RunError(kind="InternalError", message=f"{type(trouble).__name__}: {trouble}")


def _model_facts(
    prepared: Prepared, found: Findings, console: str, *, compat: bool
) -> dict[str, Any]:
    graph, clock, estimate = prepared.graph, found.clock, found.estimate
    measured = {layer.name: layer for layer in prepared.quality.layers}
    text = found.tables or console
    # without model_stat(): its times are those that the agent returned
    printed = layers_as_printed(parse_compile_log(text), None, parse_io_format(text))
    held = held_bytes(graph)
    layers = tuple(
        LayerRecord(
            name=node.name,
            type=layer_type(node),
            activation=activation_name(node),
            shape=node.shape,
            dec=node.dec,
            macs=graph.macs_of(node),
            sqnr_db=measured[node.name].sqnr_db if node.name in measured else None,
            saturated=measured[node.name].saturated if node.name in measured else None,
            **printed.get(i + 1, {}),
            held_bytes=held[i],
            **layer_times(i, clock, found.times, estimate),
        )
        for i, node in enumerate(graph.nodes)
    )
    return {
        "model_hash": graph.content_hash,
        "notes": (*prepared.notes, *notes_on(graph, compat=compat), *_remarks(found)),
        "layers": layers,
        "macs": graph.macs,
        "timing_runs": len(found.times),
        **time_facts(layers, clock, estimate),
    }


def _remarks(found: Findings) -> list[str]:
    """What times are worth, beside where they come from."""
    why = found.without_estimate
    said = [found.clock.remark, f"cycles are not estimated: {why}" if why else ""]
    return [remark for remark in said if remark]


def _unanswered(facts: dict[str, Any]) -> int:
    planned, answered = int(facts["vectors_planned"]), int(facts["vectors"])
    return max(0, planned - answered)


def _failed_timing(found: Findings) -> list[str]:
    failed = [run.status for run in found.times if run.status != 0]
    if not failed:
        return []
    return [f"NNoM returned error {failed[0]} in {len(failed)} of {len(found.times)} timing runs"]


def _result_facts(
    plan: Plan, prepared: Prepared, found: Findings, reasons: list[str]
) -> dict[str, Any]:
    total = 0 if plan.timing_only else len(prepared.x)
    facts: dict[str, Any] = {
        "vectors": len(found.outputs),
        "vectors_planned": total,
        "image_id": found.image.id if found.image is not None else None,
        "link": _link(prepared, found),
    }
    if not found.outputs:
        return facts
    done = sorted(found.outputs)
    outputs = _outputs(prepared, found.outputs, done)
    wanted = prepared.expected(done[-1] + 1, compat=plan.compat, on_unkept=found.unkept.append)
    reference = wanted[done]
    different = int((outputs != reference).any(axis=1).sum())
    if (row := first_difference(outputs, reference)) is not None:
        facts["first_difference"] = Difference(
            vector=done[row],
            expected=tuple(int(v) for v in reference[row]),
            got=tuple(int(v) for v in outputs[row]),
        )
        reasons.append(
            f"{different} of {len(done)} outputs differ from the reference; the first is vector "
            f"{done[row]}"
        )
        reasons += [found.known_fault] if found.known_fault else []
    if failed := [i for i, status in found.statuses.items() if status != 0]:
        reasons.append(
            f"NNoM returned error {found.statuses[failed[0]]} for {len(failed)} vectors, "
            f"first vector {failed[0]}"
        )
    facts["outputs_different"] = different
    facts["outputs_equal"] = different == 0 and len(done) == total
    if len(done) == total:
        facts["outputs_hash"] = hashlib.sha256(outputs.tobytes()).hexdigest()
    figures = _figures(prepared, outputs, done)
    reasons += _below_the_bar(plan, figures)
    return facts | figures


def _figures(prepared: Prepared, outputs: Int8, done: list[int]) -> dict[str, Any]:
    """Return what the task makes of the answers that came."""
    labels = None if prepared.labels is None else prepared.labels[done]
    truth = Truth(task=prepared.truth.task, labels=labels)
    answers = Answers(
        int8=outputs,
        keras=prepared.float_outputs[done],
        scale=2.0**-prepared.graph.output.dec,
    )
    worst = worst_vectors(
        prepared.output,
        truth,
        answers,
        prepared.x,
        vectors=done,
        shape=prepared.graph.input.shape,
    )
    return {**judge(prepared.output, truth, answers), "worst": worst}


def _below_the_bar(plan: Plan, figures: dict[str, Any]) -> list[str]:
    """Return why figures are not good enough for what the user wants."""
    accuracy, regression = figures.get("accuracy"), figures.get("regression")
    if accuracy and plan.min_accuracy is not None and accuracy.quantised < plan.min_accuracy:
        what = "label accuracy" if figures["task"] is Task.MULTI_LABEL else "accuracy"
        return [f"{what} {accuracy.quantised:.2%} is below the required {plan.min_accuracy:.2%}"]
    if regression and plan.max_error is not None and regression.target.mae > plan.max_error:
        return [
            f"mean absolute error {regression.target.mae:.6g} on the target is above the allowed "
            f"{plan.max_error:g}"
        ]
    return []


def _link(prepared: Prepared, found: Findings) -> LinkRecord | None:
    status, stats = found.status, [share.stats for share in found.shares]
    if found.seconds <= 0:
        return None
    inference_s = None
    source = found.clock.source  # beside the wall's time stands only what runs at its rate
    if (source.is_hardware or source is TimeSource.HOST) and found.clock.hz:
        ticks = sum(share.ticks for share in found.shares) / len(found.shares)
        inference_s = round(ticks / found.clock.hz, 3)
    payload = (len(found.outputs) - found.resumed) * prepared.x.shape[1]
    return LinkRecord(
        seconds=round(found.seconds, 3),
        inference_s=inference_s,
        bytes_per_s=round(payload / found.seconds, 1),
        tx_bytes=sum(s.tx_bytes for s in stats),
        rx_bytes=sum(s.rx_bytes for s in stats),
        retransmitted=sum(s.retransmitted for s in stats),
        damaged_by_host=sum(s.damaged for s in stats),
        damaged_by_target=status.damaged_frames if status else 0,
        rx_overruns=status.rx_overruns if status else 0,
        resets=sum(s.resets for s in stats),
        reconnects=sum(s.reconnects for s in stats),
        encoding=found.encoding,
        frames_sent=sum(s.frames_sent for s in stats),
        stream_bytes=sum(s.stream_bytes for s in stats),
        vector_bytes=sum(s.vector_bytes for s in stats),
        byte_error=round(sum(s.byte_error for s in stats) / len(stats), 6),
        bound=round(sum(s.bound for s in stats) / len(stats), 4),
    )


def _memory_facts(board: Board, image: Image, console: str, found: Findings) -> dict[str, Any]:
    log = parse_compile_log(console)
    status, sizes = found.status, image.sizes
    # 0: a native target, which does not measure them
    heap = status.heap_used or None if status else None
    stack = status.stack_used or None if status else None
    memory = MemoryRecord(
        flash=sizes.flash,
        flash_available=board.memory.flash.length,
        ram_static=sizes.static_ram,
        ram_heap=heap,
        ram_stack=stack,
        ram_available=board.memory.ram.length,
        blocks=log.blocks if log else (),
        network_buffers=log.network_buffers if log else None,
    )
    printed = memory_as_printed(log, parse_model_stat(console), parse_banner(console))
    used = sizes.static_ram + heap + stack if heap is not None and stack is not None else None
    return {
        "memory": memory,
        "printed_memory": printed,
        "flash_bytes": sizes.flash,
        "ram_bytes": used,
        "flags": image.flags,
        "sections": image.sections,
        "symbols": image.symbols,
    }
