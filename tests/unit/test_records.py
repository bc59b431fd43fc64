"""Records of every version load and are reported; what is no record is told by file and field."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.support.schemas import SCHEMAS

from nnom_hil.errors import UsageError
from nnom_hil.files import seal
from nnom_hil.record_files import load_record
from nnom_hil.records import RUN_SCHEMA, RunRecord, TimeSource, Verdict
from nnom_hil.report.formats import FORMATS, Format
from nnom_hil.report.html import Shown, render_html
from nnom_hil.report.terminal import summary

KEPT = sorted((Path(__file__).parents[1] / "data" / "records").glob("run-*.json"))
NEWEST = json.loads(next(iter(SCHEMAS)).read_text())
OLD = {
    "schema": "nnom-hil/run/1", "id": "20260101T000000000000Z-native-digits", "verdict": "pass",
    "started": "2026-01-01T00:00:00+00:00", "board": "native", "board_title": "t", "core_hz": 0,
    "model": "digits", "vectors": 4, "vectors_planned": 4, "outputs_equal": True,
    "accuracy": {"float": 1.0, "quantised": 0.75, "top_k": [0.75, 1.0]},
    "confusion": [[2, 1], [0, 1]], "time_source": "host", "min_accuracy": 0.5,
}  # fmt: skip


def shown(record: RunRecord) -> str:
    text = StringIO()
    Console(width=140, file=text).print(summary(record))
    return text.getvalue()


def test_record_from_before_there_were_tasks_is_reported() -> None:
    record = RunRecord.model_validate_json(json.dumps(OLD))
    assert record.task is None
    page = render_html(record)
    assert "75.00 %" in page
    assert "Confusion matrix" in page
    assert "judged as" not in page
    assert "accuracy on the target" in shown(record)
    assert RunRecord.model_validate_json(record.to_json()) == record


# ---- every version that there was


def test_every_version_has_its_kept_record() -> None:
    """One that was written by the nnom-hil of that time; add the last of a version that ends."""
    versions = [json.loads(file.read_text())["schema"] for file in KEPT]
    newest = int(RUN_SCHEMA.rpartition("/")[2])
    assert versions == [f"nnom-hil/run/{version}" for version in range(1, newest)]


@pytest.mark.parametrize("file", KEPT, ids=lambda p: p.stem)
def test_kept_record_means_what_it_meant(file: Path) -> None:
    written = json.loads(file.read_text())
    record = load_record(file)
    assert record.schema_ == RUN_SCHEMA
    now = json.loads(record.to_json())
    for name in ("schema", "check"):
        del written[name]
    assert holds(now, written)
    assert (record.command, record.commit, record.outputs_hash, record.worst) == (
        (),
        None,
        None,
        (),
    )
    assert load_record_of(record) == record


def holds(now: Any, before: Any) -> bool:
    """Whether all that was there still is; there may be more fields."""
    if isinstance(before, dict):
        return all(holds(now[name], value) for name, value in before.items())
    if isinstance(before, list) and before and isinstance(before[0], dict):
        return all(holds(one, other) for one, other in zip(now, before, strict=True))
    return bool(now == before)


def load_record_of(record: RunRecord) -> RunRecord:
    return RunRecord.model_validate_json(record.to_json())


@pytest.mark.parametrize("file", KEPT, ids=lambda p: p.stem)
def test_kept_record_is_shown_in_every_format(file: Path) -> None:
    record = load_record(file)
    for name, form in FORMATS.items():
        text = form.run(Shown(record=record))
        assert "conv2d_2" in text or name is Format.JUNIT, name
        assert record.board in text, name
        assert str(record.time_source) in text or name is Format.JUNIT, name


# ---- the published schema


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda p: p.name)
def test_published_schema_is_that_of_the_models(file: Path) -> None:
    assert json.loads(file.read_text()) == json.loads(SCHEMAS[file]()), (
        "run: python -m tests.support.schemas"
    )


def test_schema_names_all_that_is_written_and_nothing_else() -> None:
    record = RunRecord.model_validate_json(json.dumps(OLD))
    written = json.loads(record.to_json())
    assert set(NEWEST["required"]) == set(NEWEST["properties"]) == set(written)
    assert NEWEST["additionalProperties"] is False
    assert NEWEST["properties"]["schema"]["const"] == RUN_SCHEMA == written["schema"]
    assert set(NEWEST["$defs"]["TimeSource"]["enum"]) == set(TimeSource)
    described = [name for name, kind in NEWEST["$defs"].items() if "description" not in kind]
    assert described == []


# ---- what is no record


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"board": 3}, "not a run record: board: Input should be a valid string"),
        ({"colour": 1}, "not a run record: colour: Extra inputs are not permitted"),
        ({"accuracy": {"float": 1, "quantised": 2, "top_k": []}}, "accuracy.quantised: "),
        ({"verdict": "maybe"}, "verdict: Input should be 'pass', 'fail' or 'error'"),
        ({"schema": "nnom-hil/run/9"}, "it was written by a newer nnom-hil, as nnom-hil/run/9, "
         f"and this one reads records up to {RUN_SCHEMA}: update nnom-hil"),
        ({"schema": "nnom-hil/profile/1"}, f"schema: Input should be '{RUN_SCHEMA}'"),
        ({"schema": ["x"]}, f"schema: Input should be '{RUN_SCHEMA}'"),
        ({"vectors": 9}, "the file: 9 answers to 4 vectors"),
        ({"outputs_hash": "ABC"}, "outputs_hash: String should match pattern"),
        ({"worst": [{"vector": 1, "margin": 0.5, "shape": [4]}] * 13}, "worst: Tuple should have"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_is_no_record_is_told_by_file_and_field(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    newest = {**OLD, "schema": RUN_SCHEMA}
    file.write_text(json.dumps(seal(newest)))
    assert load_record(file).verdict is Verdict.PASS
    file.write_text(json.dumps(seal({**newest, **change})))
    with pytest.raises(UsageError) as told:
        load_record(tmp_path)
    assert str(told.value).startswith(f"{file}: not a run record: ")
    assert said in str(told.value)
