"""Records that no run has made."""

from fractions import Fraction
from typing import Any

from nnom_hil.link.messages import LayerTimes
from nnom_hil.records import LayerRecord, RunRecord
from nnom_hil.run.timing import Estimate, layer_times, time_facts
from nnom_hil.times import Clock, TimeSource

__all__ = ["HZ", "record"]

HZ = 16_000_000


def record(source: TimeSource, **facts: Any) -> RunRecord:
    """A record of two layers as a run of that source makes it."""
    estimate = None
    clock = Clock(source=source, hz=HZ)
    if source in {TimeSource.INSTRUCTIONS, TimeSource.MODEL}:
        clock = Clock(
            source=TimeSource.INSTRUCTIONS, hz=HZ, ticks_per_instruction=Fraction(1024, 1000)
        )
    if source is TimeSource.MODEL:
        estimate = Estimate(
            cycles=(1700.0, 341.5), error_percent=12.0, core_hz=HZ,
            words=("layer_0 takes 83% of the cycles", "layer_0: 0.56 MAC per cycle"),
        )  # fmt: skip
    times = [LayerTimes(status=0, ticks=t) for t in ((1024, 512), (1024, 512), (1030, 512))]
    layers = tuple(
        LayerRecord(
            name=f"layer_{i}", type="Dense", activation=None, shape=(10,), dec=7, macs=960,
            **layer_times(i, clock, times, estimate),
        )
        for i in range(2)
    )  # fmt: skip
    link = {
        "seconds": 2.0, "bytes_per_s": 784.0, "tx_bytes": 1, "rx_bytes": 1, "retransmitted": 0,
        "damaged_by_target": 0, "damaged_by_host": 0, "rx_overruns": 0, "resets": 0,
        "inference_s": 0.5 if source.is_hardware or source is TimeSource.HOST else None,
    }  # fmt: skip
    given = {
        "id": "r", "started": "2026-01-01T00:00:00+00:00", "verdict": "pass", "board": "b",
        "board_title": "t", "core_hz": HZ, "model": "m", "layers": layers, "macs": 1920,
        "timing_runs": 3, "link": link, **time_facts(layers, clock, estimate), **facts,
    }  # fmt: skip
    return RunRecord.model_validate(given)
