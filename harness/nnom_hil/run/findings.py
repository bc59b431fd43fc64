"""From what a run has found out to its record: comparisons and arithmetic, no I/O of its own."""

from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

import numpy as np

from nnom_hil.boards import Board
from nnom_hil.build import Image
from nnom_hil.console import (
    parse_compile_log,
    parse_io_format,
    parse_model_stat,
    parse_prediction,
)
from nnom_hil.errors import HilError
from nnom_hil.link.client import LinkStats
from nnom_hil.link.messages import LayerTimes, TargetStatus
from nnom_hil.model.qgraph import Int8
from nnom_hil.model.reference import run_reference
from nnom_hil.records import (
    Accuracy,
    CrossCheck,
    Difference,
    LayerRecord,
    LinkRecord,
    MemoryRecord,
    RunError,
    RunRecord,
    TimeSource,
    Verdict,
)
from nnom_hil.run.plan import Plan
from nnom_hil.run.prepare import Prepared
from nnom_hil.run.verdict import (
    activation_name,
    check_compile_log,
    check_io_format,
    check_model_stat,
    check_prediction,
    first_difference,
    layer_type,
    predictions,
)

__all__ = ["Findings", "cross_check", "make_record"]


@dataclass(slots=True)
class Findings:
    """What a run has found out so far; becomes the record, however the run ends."""

    prepared: Prepared | None = None
    image: Image | None = None
    outputs: dict[int, bytes] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    times: list[LayerTimes] = field(default_factory=list)
    tick_hz: int = 0
    stats: LinkStats | None = None
    status: TargetStatus | None = None
    seconds: float = 0.0
    counted: bool = False
    tools: dict[str, str] = field(default_factory=dict)
    checks: list[CrossCheck] = field(default_factory=list)


def cross_check(found: Findings, text: str, *, compat: bool) -> None:
    """Compare what the target printed with what it returned; adds to found.checks."""
    prepared, stats = found.prepared, found.stats
    assert prepared is not None
    assert stats is not None
    graph = prepared.graph
    found.checks += check_compile_log(parse_compile_log(text), graph)
    ticks = found.times[-1].ticks
    found.checks += check_model_stat(parse_model_stat(text), graph, ticks, found.tick_hz)
    found.checks.append(check_io_format(parse_io_format(text), graph, compat=compat))
    # A reset takes the target's counts with it, so they cover the last part of the run only.
    if found.counted and prepared.labels is not None and stats.resets == 0:
        outputs = _outputs(prepared, found.outputs)
        host = predictions(outputs, prepared.labels)
        found.checks += check_prediction(parse_prediction(text), host)


def _outputs(prepared: Prepared, outputs: dict[int, bytes]) -> Int8:
    size = prepared.graph.output.size
    data = b"".join(outputs[i] for i in sorted(outputs))
    return np.frombuffer(data, dtype=np.int8).reshape(-1, size)


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
        "core_hz": plan.board.clock.core_hz,
        "model": plan.model_name,
        "compat": plan.compat,
        "min_accuracy": plan.min_accuracy,
        "time_source": TimeSource.VIRTUAL,
        "cross_checks": tuple(found.checks),
        "tools": found.tools,
    }
    reasons: list[str] = []
    if found.prepared is not None:
        facts |= _model_facts(found.prepared, found)
        facts |= _result_facts(plan, found.prepared, found, reasons)
    if found.prepared is not None and found.image is not None:
        facts |= _memory_facts(plan.board, found.image, console, found)
    reasons += [f"{c.what}: {c.detail}" for c in found.checks if not c.ok]
    verdict = Verdict.FAIL if reasons else Verdict.PASS
    error = None
    if trouble is not None:
        verdict = Verdict.ERROR
        error = _error(trouble)
        reasons.insert(0, error.message)
    return RunRecord(**facts, verdict=verdict, reasons=tuple(reasons), error=error)


def _error(trouble: BaseException) -> RunError:
    if isinstance(trouble, KeyboardInterrupt):
        return RunError(kind="Interrupted", message="interrupted from the keyboard")
    if isinstance(trouble, HilError):
        return RunError(kind=type(trouble).__name__, message=str(trouble))
    return RunError(kind="InternalError", message=f"{type(trouble).__name__}: {trouble}")


def _model_facts(prepared: Prepared, found: Findings) -> dict[str, Any]:
    graph, times = prepared.graph, found.times
    per_us = found.tick_hz / 1e6
    layers = []
    for i, node in enumerate(graph.nodes):
        ticks = [run.ticks[i] for run in times if i < len(run.ticks)]
        layers.append(
            LayerRecord(
                name=node.name,
                type=layer_type(node),
                activation=activation_name(node),
                shape=node.shape,
                dec=node.dec,
                macs=graph.macs_of(node),
                time_us=round(median(ticks) / per_us, 3) if ticks else None,
                spread_us=round((max(ticks) - min(ticks)) / per_us, 3) if ticks else None,
            )
        )
    total = [layer.time_us for layer in layers if layer.time_us is not None]
    return {
        "model_hash": graph.content_hash,
        "layers": tuple(layers),
        "macs": graph.macs,
        "timing_runs": len(times),
        "total_time_us": round(sum(total), 3) if total else None,
    }


def _result_facts(
    plan: Plan, prepared: Prepared, found: Findings, reasons: list[str]
) -> dict[str, Any]:
    total = len(prepared.x)
    facts: dict[str, Any] = {
        "vectors": len(found.outputs),
        "vectors_planned": total,
        "image_id": found.image.id if found.image is not None else None,
        "link": _link(prepared, found),
    }
    if not found.outputs:
        return facts
    done = sorted(found.outputs)
    outputs = _outputs(prepared, found.outputs)
    reference = run_reference(prepared.graph, _images(prepared)[done], compat=plan.compat)
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
    if failed := [i for i, status in found.statuses.items() if status != 0]:
        reasons.append(
            f"NNoM returned error {found.statuses[failed[0]]} for {len(failed)} vectors, "
            f"first vector {failed[0]}"
        )
    facts["outputs_different"] = different
    facts["outputs_equal"] = different == 0 and len(done) == total
    if prepared.labels is not None:
        labels = prepared.labels[done]
        target = predictions(outputs, labels)
        keras = predictions(prepared.float_outputs[done], labels)
        facts["accuracy"] = Accuracy(
            float_=keras.accuracy,
            quantised=target.accuracy,
            top_k=tuple(hits / target.count for hits in target.top_k),
        )
        facts["confusion"] = target.confusion
        if plan.min_accuracy is not None and target.accuracy < plan.min_accuracy:
            reasons.append(
                f"accuracy {target.accuracy:.2%} is below the required {plan.min_accuracy:.2%}"
            )
    return facts


def _images(prepared: Prepared) -> Int8:
    return prepared.x.reshape(len(prepared.x), *prepared.graph.input.shape)


def _link(prepared: Prepared, found: Findings) -> LinkRecord | None:
    stats, status = found.stats, found.status
    if stats is None or found.seconds <= 0:
        return None
    payload = len(found.outputs) * prepared.x.shape[1]
    return LinkRecord(
        seconds=round(found.seconds, 3),
        bytes_per_s=round(payload / found.seconds, 1),
        tx_bytes=stats.tx_bytes,
        rx_bytes=stats.rx_bytes,
        retransmitted=stats.retransmitted,
        damaged_by_host=stats.damaged,
        damaged_by_target=status.damaged_frames if status else 0,
        rx_overruns=status.rx_overruns if status else 0,
        resets=stats.resets,
    )


def _memory_facts(board: Board, image: Image, console: str, found: Findings) -> dict[str, Any]:
    log = parse_compile_log(console)
    status, sizes = found.status, image.sizes
    heap = status.heap_used if status else None
    stack = status.stack_used if status else None
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
    used = sizes.static_ram + heap + stack if heap is not None and stack is not None else None
    return {"memory": memory, "flash_bytes": sizes.flash, "ram_bytes": used}
