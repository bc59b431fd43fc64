"""Records of runs that nobody made, with everything that a report can show."""

import base64
import math
from typing import Any

from nnom_hil.records import (
    Accuracy,
    CrossCheck,
    Difference,
    LayerRecord,
    LinkRecord,
    MemoryRecord,
    Region,
    RunRecord,
    SymbolSize,
    Task,
    Verdict,
    WorstVector,
)
from nnom_hil.times import TimeSource

__all__ = ["confusion", "full_record", "layers"]


def layers(count: int, name: str = "conv") -> tuple[LayerRecord, ...]:
    """Return layers with all figures, the third the slowest."""
    return tuple(
        LayerRecord(
            name=f"{name}_{i}", type="Conv2D", activation="relu" if i % 2 else None,
            shape=(28, 28, 1 + i % 8), dec=3 + i % 4, macs=1000 * i,
            time_us=9000.0 if i == 2 else 100.5 + i, cycles=(9000.0 if i == 2 else 100.5 + i) * 168,
            instructions=1000 + i, sqnr_db=40.0 - i % 30, saturated=i / 1000,
            elements_in=784 * (1 + i % 4), elements_out=784 * (1 + (i + 1) % 4),
            scratch_bytes=144 * (i % 3), held_bytes=784 * (i % 5 == 3), blocks=(1, 1, i % 2),
        )
        for i in range(count)
    )  # fmt: skip


def confusion(classes: int, vectors: int) -> tuple[tuple[int, ...], ...]:
    """Return a matrix over so many vectors, with a few wrong answers."""
    each = vectors // classes
    rows = [[0] * classes for _ in range(classes)]
    for truth, row in enumerate(rows):
        wrong = truth % 4
        row[(truth + 1) % classes] += wrong
        row[truth] += each - wrong
    return tuple(map(tuple, rows))


def worst(count: int = 12) -> tuple[WorstVector, ...]:
    """Return vectors that are rings, each wrong by less than the one before."""
    pixels = bytes(
        max(0, 127 - 30 * abs(round(math.hypot(x - 14, y - 14)) - 9))
        for y in range(28)
        for x in range(28)
    )
    return tuple(
        WorstVector(vector=100 + i, truth=i % 10, said=(i + 1) % 10 if i < 5 else i % 10,
            margin=i / 10 - 0.5, output=(1,) * 10, shape=(28, 28, 1),
            input=base64.b64encode(pixels).decode())
        for i in range(count)
    )  # fmt: skip


def full_record(
    *, vectors: int = 400, layer_count: int = 12, name: str = "digits", **more: Any
) -> RunRecord:
    """Return a record of a failed run, whose every name is name."""
    matrix = confusion(10, vectors)
    right = sum(row[i] for i, row in enumerate(matrix)) / vectors
    facts: dict[str, Any] = {
        "id": f"20260101T000000000000Z-{name}", "started": "2026-01-01T00:00:00+00:00",
        "verdict": Verdict.FAIL, "reasons": (f"{name}: accuracy is below the required 99.00%",),
        "board": name, "board_title": name, "core_hz": 168_000_000, "model": name,
        "model_hash": "ab" * 32, "image_id": "cd" * 32, "notes": (name,),
        "vectors": vectors, "vectors_planned": vectors, "outputs_different": 1,
        "first_difference": Difference(vector=7, expected=(1,) * 10, got=(2,) * 10),
        "task": Task.CLASSIFICATION, "min_accuracy": 0.99,
        "accuracy": Accuracy(float_=0.98, quantised=right, top_k=(right, 1.0)), "confusion": matrix,
        "agreement": 0.97, "time_source": TimeSource.MODEL, "error_percent": 21.2, "timing_runs": 3,
        "layers": layers(layer_count, name), "macs": 1000 * layer_count,
        "total_time_us": 9000.0 + 110 * (layer_count - 1), "total_cycles": 1.6e6,
        "total_instructions": 1000 * layer_count, "where_time_goes": (f"{name} takes 80%",),
        "flash_bytes": 60_000, "ram_bytes": 23_000,
        "memory": MemoryRecord(flash=60_000, flash_available=1 << 20, ram_static=3000,
            ram_heap=15_000, ram_stack=5000, ram_available=1 << 17, blocks=(3136, 6272, 0),
            network_buffers=7840),
        "link": LinkRecord(seconds=1.5, bytes_per_s=72_700.0, tx_bytes=300_000, rx_bytes=9000,
            retransmitted=2, damaged_by_target=1, damaged_by_host=0, rx_overruns=0, resets=0,
            stream_bytes=290_000, vector_bytes=280_000),
        "cross_checks": (CrossCheck(what=f"{name}: layers", ok=True),
            CrossCheck(what=f"{name}: counts", ok=False, detail=f"{name} is not there")),
        "kernels": {"conv_s8": "dsp", "softmax_s8": "plain"}, "tools": {"compiler": name},
        "command": ("nnom-hil", "run", "--board", name), "commit": "12ab+changes",
        "libraries": {"numpy": "1.26"}, "flags": ("-O2", f"-DNAME={name}"), "conversion": name,
        "outputs_hash": "0" * 64, "vectors_hash": "1" * 64,
        "sections": {".text": 40_000, ".rodata": 19_000, ".bss": 3000, name: 1},
        "symbols": tuple(SymbolSize(name=f"{name}_{i}", size=9000 // (i + 1),
            region=list(Region)[i % 3]) for i in range(60)),
        "worst": worst(),
    }  # fmt: skip
    return RunRecord(**facts | more)
