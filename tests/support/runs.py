"""Folders of runs that were never run: records are all that history and site look at."""

import json
from pathlib import Path
from typing import Any

from nnom_hil.files import seal
from nnom_hil.records import RUN_SCHEMA

__all__ = ["document", "write_run"]


def document(number: int = 0, **facts: Any) -> dict[str, Any]:
    """Return a record as JSON has it, of the day `number` of 2026's beginning."""
    started = f"2026-01-{number // 24 + 1:02d}T{number % 24:02d}:00:00+00:00"
    return {
        "schema": RUN_SCHEMA, "id": f"run-{number:05d}", "started": started, "verdict": "pass",
        "board": "stm32f4", "board_title": "t", "core_hz": 168_000_000, "model": "digits",
        "vectors": 4, "vectors_planned": 4, "outputs_equal": True, "commit": f"{number:040x}",
        "accuracy": {"float": 1.0, "quantised": 0.75, "top_k": [0.75, 1.0]},
        "time_source": "model", "error_percent": 21.2, "total_time_us": 8290.0,
        "total_cycles": 1_000_000.0, "total_instructions": 700_000, "flash_bytes": 60_000,
        "ram_bytes": 22_000, "kernels": {"conv_s8": "dsp", "add_s8": "plain"},
        "tools": {"nnom-hil": "0.1.0", "compiler": "arm-none-eabi-gcc 12.2.1"},
        "conversion": "mse, per channel",
    } | facts  # fmt: skip


def write_run(runs: Path, number: int = 0, **facts: Any) -> Path:
    """Write a run's folder and return it."""
    written = document(number, **facts)
    folder = runs / str(written["id"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(seal(written)))
    return folder
