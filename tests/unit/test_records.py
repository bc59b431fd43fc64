"""Records of earlier versions load, and are reported as they were."""

import json
from io import StringIO

from rich.console import Console

from nnom_hil.records import RunRecord
from nnom_hil.report.html import render_html
from nnom_hil.report.terminal import summary

OLD = {
    "schema": "nnom-hil/run/1", "id": "20260101T000000000000Z-native-digits", "verdict": "pass",
    "started": "2026-01-01T00:00:00+00:00", "board": "native", "board_title": "t", "core_hz": 0,
    "model": "digits", "vectors": 4, "vectors_planned": 4, "outputs_equal": True,
    "accuracy": {"float": 1.0, "quantised": 0.75, "top_k": [0.75, 1.0]},
    "confusion": [[2, 1], [0, 1]], "time_source": "host", "min_accuracy": 0.5,
}  # fmt: skip


def test_record_from_before_there_were_tasks_is_reported() -> None:
    record = RunRecord.model_validate_json(json.dumps(OLD))
    assert record.task is None
    page = render_html(record)
    assert "75.00 %" in page
    assert "Confusion matrix" in page
    assert "judged as" not in page
    text = StringIO()
    Console(width=120, file=text).print(summary(record))
    assert "accuracy on the target" in text.getvalue()
    assert RunRecord.model_validate_json(record.to_json()) == record
